// TokenSelect (arXiv 2411.02886): a token attends to the first INITIAL tokens, to SELECTED tokens that its queries ask for, and to the
// last LOCAL ones. They stand side by side in a working set, at positions 0 to CAPACITY - 1. A context that is no longer than that
// is the working set.
const CAPACITY: u32 = INITIAL + SELECTED + LOCAL;

// What is known of a layer from one step to the next.
struct Selection {
  // 1 where the tokens were selected for a single token: the next one may go on with them.
  is_reusable: u32,
  // The first slot of the working set that this pass fills; those before it hold what they should.
  first_slot: u32,
  padding: vec2<u32>,
  // Positions of the selected tokens, ascending.
  tokens: array<u32, SELECTED>,
}

// The scores of a pass, for the kernels behind selection-scores.
struct Scales {
  // 1 where this pass selects anew.
  is_due: u32,
  padding: u32,
  // Of each head and strip of the candidates: the largest score, and the sum of exponentials relative to it.
  strips: array<vec2<f32>>,
}
