// Exclusive prefix sums of counts [length], in place, by one workgroup: each invocation sums a run, the runs' sums are scanned
// (Hillis & Steele 1986), and each run is written anew. sum [1] gets the sum of all.

//#if parallel
//#import lib/workgroup-scan
//#endif

// Sums that would not fit stay at 2^32 - 1: whoever asks sees that there are too many.
fn saturating_sum(a: u32, b: u32) -> u32 {
  return a + min(b, ~a);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) invocation: u32) {
//#if parallel
  let run = (params.length + WORKGROUP - 1u) / WORKGROUP;
  let start = invocation * run;
  let end = min(start + run, params.length);
  var own = 0u;
  for (var at = start; at < end; at += 1u) {
    own = saturating_sum(own, counts[at]);
  }
  inclusive_sum(own, invocation);
  var before = 0u;
  if (invocation > 0u) {
    before = sums[invocation - 1u];
  }
//#else
  let start = 0u;
  let end = params.length;
  var before = 0u;
//#endif
  for (var at = start; at < end; at += 1u) {
    let count = counts[at];
    counts[at] = before;
    before = saturating_sum(before, count);
  }
  if (invocation == WORKGROUP - 1u) {
    sum[0] = before;
  }
}
