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
