const WORKGROUP: u32 = 1u;
struct Params {
  length: u32,
}
const params = Params(1u);
@group(0) @binding(0) var<storage, read_write> counts: array<u32>;
@group(0) @binding(1) var<storage, read_write> sum: array<u32>;
// Exclusive prefix sums of counts [length], in place, by one workgroup: each invocation sums a run, the runs' sums are scanned
// (Hillis & Steele 1986), and each run is written anew. sum [1] gets the sum of all.


// Sums that would not fit stay at 2^32 - 1: whoever asks sees that there are too many.
fn saturating_sum(a: u32, b: u32) -> u32 {
  return a + min(b, ~a);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) invocation: u32) {
  let start = 0u;
  let end = params.length;
  var before = 0u;
  for (var at = start; at < end; at += 1u) {
    let count = counts[at];
    counts[at] = before;
    before = saturating_sum(before, count);
  }
  if (invocation == WORKGROUP - 1u) {
    sum[0] = before;
  }
}
