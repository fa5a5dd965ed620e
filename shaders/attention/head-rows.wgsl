// The tokens of a pass in an order of each head's own: those that have the head on, then the others, both as they come. How many tokens have
// each head on comes first, then each head's tokens. With it attention makes full tiles of a head's tokens. A workgroup takes a head, an
// invocation RUN tokens, whose gates are on their way together.
//#import lib/state
//#import lib/workgroup-scan

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let first = invocation * RUN;
//#repeat R RUN
  let is_on_R = (first + R < state.rows) & (gates[min(first + R, state.rows - 1u) * params.heads + head] != 0.0);
//#endrepeat
  var own = 0u;
//#repeat R RUN
  own += u32(is_on_R);
//#endrepeat
  var on_before = inclusive_sum(own, invocation) - own;
  let on = sums[WORKGROUP - 1u];
  if (invocation == 0u) {
    head_rows[head] = on;
  }
  let base = params.heads + head * state.rows;
//#repeat R RUN
  if (first + R < state.rows) {
    head_rows[base + select(on + first + R - on_before, on_before, is_on_R)] = first + R;
  }
  on_before += u32(is_on_R);
//#endrepeat
}
