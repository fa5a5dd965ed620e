const WORKGROUP: u32 = 1024u;
const COPIES: u32 = 8u;
const HEAD_DIM_VEC4S: u32 = 4u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 100u;
const LOCAL: u32 = 8u;
struct Params {
  heads: u32,
}
const params = Params(4u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> scales: Scales;
@group(0) @binding(2) var<storage, read> votes: array<f32>;
@group(0) @binding(3) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> last_query: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> selection: Selection;
@group(0) @binding(6) var<storage, read_write> working: State;
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
// Third step of TokenSelect: the SELECTED candidates with the most votes, in the order of the text; of equal ones the first. Votes are not
// negative, so their bits are ordered as they are: a radix select finds the last vote that is in, 8 bits a turn. It also says what the pass does with the working set.
// One workgroup.

// Several counters of a digit, since most votes share their upper bits.
var<workgroup> counters: array<atomic<u32>, 256u * COPIES>;
var<workgroup> digit_counts: array<u32, 256>;
// The upper bits of the last vote that is in, and how many with those bits are.
var<workgroup> chosen: vec2<u32>;

fn bits_of(token: u32) -> u32 {
  return bitcast<u32>(votes[token]);
}

fn begin_pass(is_dense: bool, is_due: bool) {
  selection.is_reusable = u32(!is_dense && state.rows == 1u);
  // What the host wrote may follow anything: then the whole set is filled.
  var first_slot = 0u;
  if (state.continues != 0u) {
    first_slot = select(select(INITIAL + SELECTED, INITIAL, is_due), state.position, is_dense);
  }
  selection.first_slot = first_slot;
  working.position = select(CAPACITY - state.rows, state.position, is_dense);
  working.rows = state.rows;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) invocation: u32) {
  let is_dense = state.position + state.rows <= CAPACITY;
  let is_due = scales.is_due != 0u;
  if (invocation == 0u) {
    begin_pass(is_dense, is_due);
  }
  if (!is_due) {
    return;
  }
  if (state.rows == 1u) {
    for (var i = invocation; i < params.heads * HEAD_DIM_VEC4S; i += WORKGROUP) {
      last_query[i] = queries[i];
    }
  }
  let end = state.position + state.rows - LOCAL;
  if (invocation == 0u) {
    chosen = vec2<u32>(0u, SELECTED);
  }
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
      let bits = bits_of(token);
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
    let bits = bits_of(token);
    above += u32(bits > last);
    equal += u32(bits == last);
  }
  let equal_before = inclusive_sum(equal, invocation) - equal;
  var room = chosen.y - min(chosen.y, equal_before);
  let own = above + min(equal, room);
  var slot = inclusive_sum(own, invocation) - own;
  for (var token = first_token; token < run_end; token++) {
    let bits = bits_of(token);
    if (bits > last || (bits == last && room > 0u)) {
      room -= u32(bits == last);
      selection.tokens[slot] = token;
      slot += 1u;
    }
  }
}
