const WORKGROUP: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 6u;
const LOCAL: u32 = 8u;
struct Params {
  heads: u32,
  kv_heads: u32,
  context_length: u32,
  rope_dimensions: u32,
}
const params = Params(9u, 3u, 220u, 16u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selection: Selection;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> k_cache: array<Stored>;
@group(0) @binding(4) var<storage, read> v_cache: array<Stored>;
@group(0) @binding(5) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> keys: array<Stored>;
@group(0) @binding(7) var<storage, read_write> values: array<Stored>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  let fine = rope[(position % 256u) * pairs + pair];
  let coarse = rope[(256u + position / 256u) * pairs + pair];
  return vec2<f32>(fine.x * coarse.x - fine.y * coarse.y, fine.y * coarse.x + fine.x * coarse.y);
}
// RoPE (arXiv 2104.09864, section 3.2.2) of a head in units of eight components: two quads that turn with each other. A head has
// HEAD_DIM_VEC4S / 2 of them.

const UNIT_ROWS: u32 = 8u;
const UNITS_PER_HEAD: u32 = HEAD_DIM_VEC4S / 2u;

// The two quads of unit `u`.
fn quads_of(u: u32) -> vec2<u32> {
  let turned = params.rope_dimensions / 8u;
  if (u < turned) {
    return vec2<u32>(u, u + turned);
  }
  return vec2<u32>(2u * u, 2u * u + 1u);
}

// cos and sin of the angles of four neighbouring pairs from `first` on.
fn angles(position: u32, first: u32) -> mat4x2<f32> {
  let pairs = params.rope_dimensions / 2u;
  return mat4x2<f32>(
    rope_angle(position, first, pairs), rope_angle(position, first + 1u, pairs),
    rope_angle(position, first + 2u, pairs), rope_angle(position, first + 3u, pairs),
  );
}

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of what a unit turns by.
struct Turning {
  cos: vec4<f32>,
  sin: vec4<f32>,
  turns: bool,
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
    let angle = transpose(angles(position, u * 4u));
    turning.cos = angle[0];
    turning.sin = angle[1];
  }
  return turning;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
  return Quads(a * turning.cos - b * turning.sin, b * turning.cos + a * turning.sin);
}
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// Last step of TokenSelect: fills the working set. Keys are turned to the position of their slot, and so are the queries of the pass, which
// have the last positions: the model never sees a distance beyond CAPACITY, however long the context is. An invocation takes a unit
// of eight components, of a slot's key and value or of a query.

const SLOT_UNITS: u32 = CAPACITY * params.kv_heads * UNITS_PER_HEAD;

// The token that stands in a slot.
fn token_of(slot: u32, tokens: u32) -> u32 {
  if (tokens <= CAPACITY || slot < INITIAL) {
    return slot;
  }
  if (slot < INITIAL + SELECTED) {
    return selection.tokens[slot - INITIAL];
  }
  return tokens - CAPACITY + slot;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let id = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  let tokens = state.position + state.rows;
  let u = id % UNITS_PER_HEAD;
  let quads = quads_of(u);
  if (id < SLOT_UNITS) {
    let kv_head = id / UNITS_PER_HEAD % params.kv_heads;
    let slot = id / (UNITS_PER_HEAD * params.kv_heads);
    if (slot < selection.first_slot || slot >= tokens) {
      return;
    }
    let from_token = (kv_head * params.context_length + token_of(slot, tokens)) * HEAD_DIM_VEC4S + quads;
    let to_slot = (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S + quads;
    let key = Quads(unpack_stored(k_cache[from_token.x]), unpack_stored(k_cache[from_token.y]));
    let turned = turn(key, load_turning(u, quads, slot));
    keys[to_slot.x] = pack_stored(turned.a);
    keys[to_slot.y] = pack_stored(turned.b);
    values[to_slot.x] = v_cache[from_token.x];
    values[to_slot.y] = v_cache[from_token.y];
    return;
  }
  let head = (id - SLOT_UNITS) / UNITS_PER_HEAD;
  let row = head / params.heads;
  if (row >= state.rows) {
    return;
  }
  let at = head * HEAD_DIM_VEC4S + quads;
  let position = min(tokens, CAPACITY) - state.rows + row;
  let turned = turn(Quads(queries[at.x], queries[at.y]), load_turning(u, quads, position));
  queries[at.x] = turned.a;
  queries[at.y] = turned.b;
}
