// The largest value of a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> max_scratch: array<f32, WORKGROUP / 4u>;

fn reduce_max(value: f32, lane: u32, subgroup_size: u32) -> f32 {
  let own = subgroupMax(value);
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    max_scratch[lane / subgroup_size] = own;
  }
  workgroupBarrier();
  var largest = max_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    largest = max(largest, max_scratch[s]);
  }
  return largest;
}
