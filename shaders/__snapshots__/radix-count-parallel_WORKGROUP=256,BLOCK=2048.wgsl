const WORKGROUP: u32 = 256u;
const BLOCK: u32 = 2048u;
struct Params {
  capacity: u32,
  blocks: u32,
  shift: u32,
}
const params = Params(1u, 1u, 0u);
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// How often each 4-bit digit occurs in each block of keys: counts [16 digits, blocks].
// First step of a pass of LSD radix sort as reduce-then-scan (Merrill & Grimshaw 2011): no workgroup waits for another.
// total [1]: how many keys there are; blocks behind the last key count nothing.

var<workgroup> tallies: array<atomic<u32>, 16>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let keys_in_use = min(total[0], params.capacity);
  let block = linear_workgroup(workgroup, workgroups);
  if (block >= params.blocks) {
    return;
  }
  if (invocation < 16u) {
    atomicStore(&tallies[invocation], 0u);
  }
  workgroupBarrier();
  for (var item = invocation; item < BLOCK; item += WORKGROUP) {
    let at = block * BLOCK + item;
    if (at < keys_in_use) {
      atomicAdd(&tallies[(keys[at] >> params.shift) & 15u], 1u);
    }
  }
  workgroupBarrier();
  if (invocation < 16u) {
    counts[invocation * params.blocks + block] = atomicLoad(&tallies[invocation]);
  }
}
