// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
//#repeat I SUMS
    sums[I] += subgroupShuffleXor(sums[I], step);
//#endrepeat
  }
  return sums;
}
