// The largest values over a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> max_scratch: array<Sums, WORKGROUP / 4u>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var largest: Sums;
  for (var i = 0u; i < SUMS; i++) {
    largest[i] = subgroupMax(values[i]);
  }
  // The previous result may still be read.
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    max_scratch[lane / subgroup_size] = largest;
  }
  workgroupBarrier();
  largest = max_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    for (var i = 0u; i < SUMS; i++) {
      largest[i] = max(largest[i], max_scratch[s][i]);
    }
  }
  return largest;
}
