const WORKGROUP: u32 = 256u;
const GROUPS: u32 = 1u;
const HEADS: u32 = 4u;
const STRIPS: u32 = 64u;
const REACH: u32 = 4u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 6u;
const LOCAL: u32 = 8u;
const KEPT: u32 = 7u;
const TOKENS_ROOM: u32 = 60u;
struct Params {
  heads: u32,
  kv_heads: u32,
  context_length: u32,
  rope_dimensions: u32,
  similarity: f32,
  query_stride: u32,
  asked_stride: u32,
  score_stride: u32,
  strip_stride: u32,
  vote_stride: u32,
  cache_stride: u32,
  scales_stride: u32,
  set_stride: u32,
}
const params = Params(4u, 2u, 220u, 16u, 0.8999999761581421f, 16u, 32u, 896u, 256u, 256u, 1760u, 64u, 288u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selections: array<Selection>;
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

// How far layers are apart, in elements.
const QUERY_STRIDE: u32 = params.query_stride;
const ASKED_STRIDE: u32 = params.asked_stride;
const SCORE_STRIDE: u32 = params.score_stride;
const STRIP_STRIDE: u32 = params.strip_stride;
const VOTE_STRIDE: u32 = params.vote_stride;
const CACHE_STRIDE: u32 = params.cache_stride;
const SCALES_STRIDE: u32 = params.scales_stride;
const SET_STRIDE: u32 = params.set_stride;
// Of a layer's working set, which has keys first.
const SET_VALUES: u32 = SET_STRIDE / 2u;

// What is known of a layer from one step to the next. Layers lie side by side in each buffer, a multiple of 256 bytes apart, so that one
// dispatch does all of them (workgroup.z) or one (bound alone).
struct Selection {
  // 1 where this pass or step selects.
  is_due: u32,
  // 1 where a single token's query selected last: those that are similar go on with its selection.
  is_reusable: u32,
  // The slot of the step's own token.
  slot: u32,
  padding: u32,
  // Positions of the selected tokens, ascending.
  tokens: array<u32, TOKENS_ROOM>,
}

// Where the next token stands in a layer's working set: as `State` begins.
struct Place {
  position: u32,
  rows: u32,
  padding: array<u32, 62>,
}
// Third step of TokenSelect: the head soft vote. A candidate's own vote is the sum over all query heads of its probability under the softmax
// of that head's scores over the candidates (arXiv 2411.02886, section 3.2). It takes the largest one of the candidates up to REACH tokens
// away, so that neighbours of what is asked for are selected too. A workgroup makes the own votes of WORKGROUP candidates at once and has
// neighbours for all of them but the REACH first and last.

// Of each head: the largest score and 1 / the sum of exponentials.
var<workgroup> softmax: array<vec2<f32>, HEADS>;
var<workgroup> own_votes: array<f32, WORKGROUP>;

const OWN: u32 = WORKGROUP - 2u * REACH;

fn own_vote(layer: u32, token: u32) -> f32 {
  var vote = 0.0;
  for (var head = 0u; head < HEADS; head++) {
    let score = scores[layer * SCORE_STRIDE + head * params.context_length + token];
    vote += exp(score - softmax[head].x) * softmax[head].y;
  }
  return vote;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  if (selections[layer].is_due == 0u) {
    return;
  }
  let own_strips = layer * STRIP_STRIDE;
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    let first = own_strips + head * STRIPS;
    var largest = strips[first].x;
    for (var s = 1u; s < STRIPS; s++) {
      largest = max(largest, strips[first + s].x);
    }
    var total = 0.0;
    for (var s = 0u; s < STRIPS; s++) {
      let strip = strips[first + s];
      total += strip.y * exp(strip.x - largest);
    }
    softmax[head] = vec2<f32>(largest, 1.0 / total);
  }
  workgroupBarrier();
  let end = state.position + state.rows - KEPT;
  for (var first = INITIAL + workgroup.x * OWN; first < end; first += GROUPS * OWN) {
    // No candidate stands REACH before the first one.
    let place = first + invocation;
    let is_candidate = place >= INITIAL + REACH && place < end + REACH;
    var vote = 0.0;
    if (is_candidate) {
      vote = own_vote(layer, place - REACH);
    }
    own_votes[invocation] = vote;
    workgroupBarrier();
    if (invocation < OWN && place < end) {
      for (var i = 0u; i <= 2u * REACH; i++) {
        vote = max(vote, own_votes[invocation + i]);
      }
      votes[layer * VOTE_STRIDE + place] = vote;
    }
    workgroupBarrier();
  }
}
