// The largest value of a workgroup by a tree in workgroup memory. Every invocation gets it.
var<workgroup> max_scratch: array<f32, WORKGROUP>;

fn reduce_max(value: f32, lane: u32, subgroup_size: u32) -> f32 {
  workgroupBarrier();
  max_scratch[lane] = value;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      max_scratch[lane] = max(max_scratch[lane], max_scratch[lane + step]);
    }
    workgroupBarrier();
  }
  return max_scratch[0];
}
