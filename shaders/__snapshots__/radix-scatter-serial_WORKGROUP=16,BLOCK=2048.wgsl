const WORKGROUP: u32 = 16u;
const BLOCK: u32 = 2048u;
struct Params {
  capacity: u32,
  blocks: u32,
  shift: u32,
}
const params = Params(255u, 1u, 4u);
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> keys_in: array<u32>;
@group(0) @binding(3) var<storage, read> values_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(5) var<storage, read_write> values_out: array<u32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// Inclusive prefix sums over a workgroup (Hillis & Steele 1986). Called once: the results stay in workgroup memory.
var<workgroup> sums: array<u32, WORKGROUP>;

fn inclusive_sum(own: u32, invocation: u32) -> u32 {
  sums[invocation] = own;
  workgroupBarrier();
  for (var step = 1u; step < WORKGROUP; step *= 2u) {
    var before = 0u;
    if (invocation >= step) {
      before = sums[invocation - step];
    }
    workgroupBarrier();
    sums[invocation] += before;
    workgroupBarrier();
  }
  return sums[invocation];
}
// Moves keys and values to where the scanned counts [16 digits, blocks] say, keeping the order of equal digits: the last step
// of a pass of LSD radix sort. first: values are the keys' own indices. counted: nobody scanned the counts, and each workgroup sums
// those before its own.

fn value_at(at: u32) -> u32 {
  return values_in[at];
}


@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let keys_in_use = min(total[0], params.capacity);
  let block = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (block >= params.blocks) {
    return;
  }
  var next: array<u32, 16>;
  for (var digit = 0u; digit < 16u; digit += 1u) {
    next[digit] = offsets[digit * params.blocks + block];
  }
  let end = min((block + 1u) * BLOCK, keys_in_use);
  for (var at = block * BLOCK; at < end; at += 1u) {
    let key = keys_in[at];
    let digit = (key >> params.shift) & 15u;
    let target_at = next[digit];
    next[digit] = target_at + 1u;
    keys_out[target_at] = key;
    values_out[target_at] = value_at(at);
  }
}
