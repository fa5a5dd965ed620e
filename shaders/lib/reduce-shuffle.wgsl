// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier. The loop counts, so that
// drivers write it out.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var i = 0u; i < firstTrailingBit(LANES); i++) {
//#repeat I SUMS
    sums[I] += subgroupShuffleXor(sums[I], (LANES / 2u) >> i);
//#endrepeat
  }
  return sums;
}
