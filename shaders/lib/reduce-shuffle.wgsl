// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    for (var i = 0u; i < SUMS; i++) {
      sums[i] += subgroupShuffleXor(sums[i], step);
    }
  }
  return sums;
}
