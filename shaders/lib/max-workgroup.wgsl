// The largest values over a workgroup by a tree in workgroup memory. Every invocation gets them.
var<workgroup> max_scratch: array<Sums, WORKGROUP>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  max_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        max_scratch[lane][i] = max(max_scratch[lane][i], max_scratch[lane + step][i]);
      }
    }
    workgroupBarrier();
  }
  return max_scratch[0];
}
