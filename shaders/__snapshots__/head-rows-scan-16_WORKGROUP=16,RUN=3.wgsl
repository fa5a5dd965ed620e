const WORKGROUP: u32 = 16u;
const RUN: u32 = 3u;
struct Params {
  heads: u32,
}
const params = Params(2u);
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
// The tokens of a pass in an order of each head's own: those that have the head on, then the others, both as they come. How many tokens have
// each head on comes first, then each head's tokens. With it attention makes full tiles of a head's tokens. A workgroup takes a head, an
// invocation RUN tokens, whose gates are on their way together.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let first = invocation * RUN;
  let is_on_0 = (first + 0u < state.rows) & (gates[min(first + 0u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_1 = (first + 1u < state.rows) & (gates[min(first + 1u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_2 = (first + 2u < state.rows) & (gates[min(first + 2u, state.rows - 1u) * params.heads + head] != 0.0);
  var own = 0u;
  own += u32(is_on_0);
  own += u32(is_on_1);
  own += u32(is_on_2);
  var on_before = inclusive_sum(own, invocation) - own;
  let on = sums[WORKGROUP - 1u];
  if (invocation == 0u) {
    head_rows[head] = on;
  }
  let base = params.heads + head * state.rows;
  if (first + 0u < state.rows) {
    head_rows[base + select(on + first + 0u - on_before, on_before, is_on_0)] = first + 0u;
  }
  on_before += u32(is_on_0);
  if (first + 1u < state.rows) {
    head_rows[base + select(on + first + 1u - on_before, on_before, is_on_1)] = first + 1u;
  }
  on_before += u32(is_on_1);
  if (first + 2u < state.rows) {
    head_rows[base + select(on + first + 2u - on_before, on_before, is_on_2)] = first + 2u;
  }
  on_before += u32(is_on_2);
}
