const WORKGROUP: u32 = 256u;
const HEADS: u32 = 4u;
const STRIPS: u32 = 64u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 6u;
const LOCAL: u32 = 8u;
const KEPT: u32 = 7u;
struct Params {
  context_length: u32,
}
const params = Params(220u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selection: Selection;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read> strips: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> votes: array<f32>;
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
// TokenSelect (arXiv 2411.02886): a token attends to the first INITIAL tokens, to SELECTED tokens that queries ask for, and to the last ones:
// KEPT when the working set is filled, at most LOCAL. They stand side by side in the working set, at positions 0 to CAPACITY - 1. A
// context that is shorter is the working set.
const CAPACITY: u32 = INITIAL + SELECTED + LOCAL;
// Slots that are taken when the working set is filled: the tokens of steps follow until there is no room.
const FILLED: u32 = INITIAL + SELECTED + KEPT;

// What is known of a layer from one step to the next.
struct Selection {
  // 1 where this pass or step selects.
  is_due: u32,
  // 1 where a single token's query selected last: those that are similar go on with its selection.
  is_reusable: u32,
  // The slot of the step's own token.
  slot: u32,
  padding: u32,
  // Positions of the selected tokens, ascending.
  tokens: array<u32, SELECTED>,
}
// Third step of TokenSelect: the head soft vote. A candidate's vote is the sum over all query heads of its probability under the softmax
// of that head's scores over the candidates (arXiv 2411.02886, section 3.2). An invocation takes a candidate.

// Of each head: the largest score and 1 / the sum of exponentials.
var<workgroup> softmax: array<vec2<f32>, HEADS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let end = state.position + state.rows - KEPT;
  let first = INITIAL + workgroup.x * WORKGROUP;
  if (selection.is_due == 0u || first >= end) {
    return;
  }
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    var largest = strips[head * STRIPS].x;
    for (var s = 1u; s < STRIPS; s++) {
      largest = max(largest, strips[head * STRIPS + s].x);
    }
    var total = 0.0;
    for (var s = 0u; s < STRIPS; s++) {
      let strip = strips[head * STRIPS + s];
      total += strip.y * exp(strip.x - largest);
    }
    softmax[head] = vec2<f32>(largest, 1.0 / total);
  }
  workgroupBarrier();
  let token = first + invocation;
  if (token >= end) {
    return;
  }
  var vote = 0.0;
  for (var head = 0u; head < HEADS; head++) {
    vote += exp(scores[head * params.context_length + token] - softmax[head].x) * softmax[head].y;
  }
  votes[token] = vote;
}
