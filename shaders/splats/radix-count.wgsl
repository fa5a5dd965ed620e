// How often each 4-bit digit occurs in each block of keys: counts [16 digits, blocks].
// First step of a pass of LSD radix sort as reduce-then-scan (Merrill & Grimshaw 2011): no workgroup waits for another.
// total [1]: how many keys there are; blocks behind the last key count nothing.
//#import lib/grid

//#if parallel
var<workgroup> tallies: array<atomic<u32>, 16>;
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let keys_in_use = min(total[0], params.capacity);
//#if parallel
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
//#else
  let block = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (block >= params.blocks) {
    return;
  }
  var tallies: array<u32, 16>;
  let end = min((block + 1u) * BLOCK, keys_in_use);
  for (var at = block * BLOCK; at < end; at += 1u) {
    tallies[(keys[at] >> params.shift) & 15u] += 1u;
  }
  for (var digit = 0u; digit < 16u; digit += 1u) {
    counts[digit * params.blocks + block] = tallies[digit];
  }
//#endif
}
