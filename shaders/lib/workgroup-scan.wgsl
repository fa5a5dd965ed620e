// Inclusive prefix sums over a workgroup (Hillis & Steele 1986). Called once: the results stay in workgroup memory.
var<workgroup> sums: array<u32, WORKGROUP>;

fn inclusive_sum(own: u32, invocation: u32) -> u32 {
  sums[invocation] = own;
  workgroupBarrier();
  for (var step = 1u; step < WORKGROUP; step *= 2u) {
    var before = 0u;
    if (invocation >= step) {
      before = sums[invocation - step];
    }
    workgroupBarrier();
//#if saturating
    // What does not fit stays at 2^32 - 1.
    sums[invocation] += min(before, ~sums[invocation]);
//#else
    sums[invocation] += before;
//#endif
    workgroupBarrier();
  }
  return sums[invocation];
}
