const WORKGROUP: u32 = 64u;
const COPIES: u32 = 8u;
const UNROLL: u32 = 4u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 100u;
const LOCAL: u32 = 8u;
const KEPT: u32 = 7u;
const TOKENS_ROOM: u32 = 124u;
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
const params = Params(4u, 2u, 1020u, 16u, 0.8999999761581421f, 16u, 32u, 4096u, 256u, 1024u, 8160u, 64u, 1792u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read_write> selections: array<Selection>;
@group(0) @binding(2) var<storage, read> votes: array<vec4<f32>>;
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
// a layer; an invocation has UNROLL loads of four votes under way at once.

// Several counters of a digit, since most votes share their upper bits.
var<workgroup> counters: array<atomic<u32>, 256u * COPIES>;
// The upper bits of the last vote that is in, and how many with those bits are.
var<workgroup> chosen: vec2<u32>;

const DIGITS_EACH: u32 = max(1u, 256u / WORKGROUP);

fn bits_of(layer: u32, quad: u32) -> vec4<u32> {
  return bitcast<vec4<u32>>(votes[layer * VOTE_STRIDE / 4u + quad]);
}

// Which of four neighbouring tokens are candidates.
fn are_candidates(quad: u32, end: u32) -> vec4<bool> {
  let tokens = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
  return (tokens >= vec4<u32>(INITIAL)) & (tokens < vec4<u32>(end));
}

// Digits of 0 are not counted: what is wanted beyond the larger ones has them.
fn count_digits(bits: vec4<u32>, known: u32, prefix: u32, shift: u32, copy: u32) {
  for (var i = 0u; i < 4u; i++) {
    let digit = (bits[i] >> shift) & 255u;
    if (digit > 0u && (bits[i] & known) == prefix) {
      atomicAdd(&counters[digit * COPIES + copy], 1u);
    }
  }
}

// Votes with the digit of a rank: 255 has rank 0.
fn count_of(rank: u32, wanted: u32) -> u32 {
  if (rank >= 255u) {
    return select(0u, wanted, rank == 255u);
  }
  var count = 0u;
  for (var copy = 0u; copy < COPIES; copy++) {
    count += atomicLoad(&counters[(255u - rank) * COPIES + copy]);
  }
  return count;
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
  let first_quad = INITIAL / 4u;
  let end_quad = (end + 3u) / 4u;
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    // Of bits above the digit; none in the first turn.
    let known = select(0xffffffffu << (shift + 8u), 0u, turn == 0u);
    for (var i = invocation; i < 256u * COPIES; i += WORKGROUP) {
      atomicStore(&counters[i], 0u);
    }
    workgroupBarrier();
    let prefix = chosen.x;
    let wanted = chosen.y;
    for (var block = first_quad + invocation; block < end_quad; block += UNROLL * WORKGROUP) {
      let quad_0 = block + 0u * WORKGROUP;
      let loaded_0 = bits_of(layer, min(quad_0, end_quad - 1u));
      let bits_0 = select(vec4<u32>(), loaded_0, are_candidates(quad_0, end));
      let quad_1 = block + 1u * WORKGROUP;
      let loaded_1 = bits_of(layer, min(quad_1, end_quad - 1u));
      let bits_1 = select(vec4<u32>(), loaded_1, are_candidates(quad_1, end));
      let quad_2 = block + 2u * WORKGROUP;
      let loaded_2 = bits_of(layer, min(quad_2, end_quad - 1u));
      let bits_2 = select(vec4<u32>(), loaded_2, are_candidates(quad_2, end));
      let quad_3 = block + 3u * WORKGROUP;
      let loaded_3 = bits_of(layer, min(quad_3, end_quad - 1u));
      let bits_3 = select(vec4<u32>(), loaded_3, are_candidates(quad_3, end));
      count_digits(bits_0, known, prefix, shift, invocation % COPIES);
      count_digits(bits_1, known, prefix, shift, invocation % COPIES);
      count_digits(bits_2, known, prefix, shift, invocation % COPIES);
      count_digits(bits_3, known, prefix, shift, invocation % COPIES);
    }
    workgroupBarrier();
    // From the largest digit on, how many votes have those before an invocation's.
    let first_rank = invocation * DIGITS_EACH;
    var own = 0u;
    for (var i = 0u; i < DIGITS_EACH; i++) {
      own += count_of(first_rank + i, wanted);
    }
    var before = inclusive_sum(own, invocation) - own;
    for (var rank = first_rank; rank < first_rank + DIGITS_EACH; rank++) {
      let count = count_of(rank, wanted);
      if (before < wanted && wanted <= before + count) {
        chosen = vec2<u32>(prefix | ((255u - rank) << shift), wanted - before);
      }
      before += count;
    }
    workgroupBarrier();
  }

  // An invocation takes a run of neighbouring candidates, so that the order of the text stays.
  let last = chosen.x;
  let run = (end_quad - first_quad + WORKGROUP - 1u) / WORKGROUP;
  let run_first = min(first_quad + invocation * run, end_quad);
  let run_end = min(run_first + run, end_quad);
  var above = 0u;
  var equal = 0u;
  for (var quad = run_first; quad < run_end; quad++) {
    let bits = bits_of(layer, quad);
    let candidates = are_candidates(quad, end);
    above += dot(vec4<u32>(candidates & (bits > vec4<u32>(last))), vec4<u32>(1u));
    equal += dot(vec4<u32>(candidates & (bits == vec4<u32>(last))), vec4<u32>(1u));
  }
  let equal_before = inclusive_sum(equal, invocation) - equal;
  var room = chosen.y - min(chosen.y, equal_before);
  let own = above + min(equal, room);
  var slot = inclusive_sum(own, invocation) - own;
  for (var quad = run_first; quad < run_end; quad++) {
    let bits = bits_of(layer, quad);
    let candidates = are_candidates(quad, end);
    for (var i = 0u; i < 4u; i++) {
      if (candidates[i] && (bits[i] > last || (bits[i] == last && room > 0u))) {
        room -= u32(bits[i] == last);
        selections[layer].tokens[slot] = 4u * quad + i;
        slot += 1u;
      }
    }
  }
}
