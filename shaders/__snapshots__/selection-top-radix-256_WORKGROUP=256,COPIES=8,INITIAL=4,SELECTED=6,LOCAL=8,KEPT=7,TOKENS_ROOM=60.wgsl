const WORKGROUP: u32 = 256u;
const COPIES: u32 = 8u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 6u;
const LOCAL: u32 = 8u;
const KEPT: u32 = 7u;
const TOKENS_ROOM: u32 = 60u;
struct Params {
  query_stride: u32,
  asked_stride: u32,
  score_stride: u32,
  strip_stride: u32,
  vote_stride: u32,
  cache_stride: u32,
  set_stride: u32,
}
const params = Params(16u, 32u, 128u, 256u, 64u, 224u, 144u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read_write> selections: array<Selection>;
@group(0) @binding(2) var<storage, read> votes: array<f32>;
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
const SET_STRIDE: u32 = params.set_stride;

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
// Fourth step of TokenSelect: the SELECTED candidates with the most votes, in the order of the text; of equal ones the first. Votes are not
// negative, so their bits are ordered as they are: a radix select finds the last vote that is in, 8 bits a turn. A workgroup takes
// a layer.

// Several counters of a digit, since most votes share their upper bits.
var<workgroup> counters: array<atomic<u32>, 256u * COPIES>;
var<workgroup> digit_counts: array<u32, 256>;
// The upper bits of the last vote that is in, and how many with those bits are.
var<workgroup> chosen: vec2<u32>;

fn bits_of(layer: u32, token: u32) -> u32 {
  return bitcast<u32>(votes[layer * VOTE_STRIDE + token]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  if (invocation == 0u) {
    // Nothing is wanted where no selection is due.
    chosen = vec2<u32>(0u, SELECTED * selections[layer].is_due);
  }
  if (workgroupUniformLoad(&chosen).y == 0u) {
    return;
  }
  let end = state.position + state.rows - KEPT;
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    // Of bits above the digit; none in the first turn.
    let known = select(0xffffffffu << (shift + 8u), 0u, turn == 0u);
    for (var i = invocation; i < 256u * COPIES; i += WORKGROUP) {
      atomicStore(&counters[i], 0u);
    }
    workgroupBarrier();
    let prefix = chosen.x;
    for (var token = INITIAL + invocation; token < end; token += WORKGROUP) {
      let bits = bits_of(layer, token);
      if ((bits & known) == prefix) {
        let digit = (bits >> shift) & 255u;
        atomicAdd(&counters[digit * COPIES + invocation % COPIES], 1u);
      }
    }
    workgroupBarrier();
    for (var digit = invocation; digit < 256u; digit += WORKGROUP) {
      var count = 0u;
      for (var copy = 0u; copy < COPIES; copy++) {
        count += atomicLoad(&counters[digit * COPIES + copy]);
      }
      digit_counts[digit] = count;
    }
    workgroupBarrier();
    if (invocation == 0u) {
      var wanted = chosen.y;
      var digit = 255u;
      while (digit > 0u && digit_counts[digit] < wanted) {
        wanted -= digit_counts[digit];
        digit -= 1u;
      }
      chosen = vec2<u32>(prefix | (digit << shift), wanted);
    }
    workgroupBarrier();
  }

  // An invocation takes a run of neighbouring candidates, so that the order of the text stays.
  let last = chosen.x;
  let run = (end - INITIAL + WORKGROUP - 1u) / WORKGROUP;
  let first_token = min(INITIAL + invocation * run, end);
  let run_end = min(first_token + run, end);
  var above = 0u;
  var equal = 0u;
  for (var token = first_token; token < run_end; token++) {
    let bits = bits_of(layer, token);
    above += u32(bits > last);
    equal += u32(bits == last);
  }
  let equal_before = inclusive_sum(equal, invocation) - equal;
  var room = chosen.y - min(chosen.y, equal_before);
  let own = above + min(equal, room);
  var slot = inclusive_sum(own, invocation) - own;
  for (var token = first_token; token < run_end; token++) {
    let bits = bits_of(layer, token);
    if (bits > last || (bits == last && room > 0u)) {
      room -= u32(bits == last);
      selections[layer].tokens[slot] = token;
      slot += 1u;
    }
  }
}
