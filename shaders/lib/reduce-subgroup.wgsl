// Sums over a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP / 4u>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums: Sums;
  for (var i = 0u; i < SUMS; i++) {
    sums[i] = subgroupAdd(values[i]);
  }
  // The previous result may still be read.
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    reduce_scratch[lane / subgroup_size] = sums;
  }
  workgroupBarrier();
  sums = reduce_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    for (var i = 0u; i < SUMS; i++) {
      sums[i] += reduce_scratch[s][i];
    }
  }
  return sums;
}
