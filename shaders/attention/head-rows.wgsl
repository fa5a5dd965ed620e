// The tokens of a pass in an order of each head's own: those that have the head on, then the others, both as they come. Of each head:
// how many have it on, then the tokens. With it attention makes full tiles of a head's tokens. A workgroup takes a head.
//#import lib/state
//#import lib/workgroup-scan

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let run = (state.rows + WORKGROUP - 1u) / WORKGROUP;
  let first = min(invocation * run, state.rows);
  let end = min(first + run, state.rows);
  var own = 0u;
  for (var row = first; row < end; row++) {
    own += u32(gates[row * params.heads + head] != 0.0);
  }
  var on_before = inclusive_sum(own, invocation) - own;
  let on = sums[WORKGROUP - 1u];
  let base = head * (state.rows + 1u);
  if (invocation == 0u) {
    head_rows[base] = on;
  }
  for (var row = first; row < end; row++) {
    let is_on = gates[row * params.heads + head] != 0.0;
    let place = select(on + row - on_before, on_before, is_on);
    head_rows[base + 1u + place] = row;
    on_before += u32(is_on);
  }
}
