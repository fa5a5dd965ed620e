const WORKGROUP: u32 = 256u;
struct Params {
  heads: u32,
}
const params = Params(8u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> head_rows: array<u32>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
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
    sums[invocation] += before;
    workgroupBarrier();
  }
  return sums[invocation];
}
// The tokens of a pass in an order of each head's own: those that have the head on, then the others, both as they come. Of each head:
// how many have it on, then the tokens. With it attention makes full tiles of a head's tokens. A workgroup takes a head.

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
