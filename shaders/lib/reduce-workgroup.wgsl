// Sums over a workgroup by a tree in workgroup memory. Every invocation gets the result.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  reduce_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        reduce_scratch[lane][i] += reduce_scratch[lane + step][i];
      }
    }
    workgroupBarrier();
  }
  return reduce_scratch[0];
}
