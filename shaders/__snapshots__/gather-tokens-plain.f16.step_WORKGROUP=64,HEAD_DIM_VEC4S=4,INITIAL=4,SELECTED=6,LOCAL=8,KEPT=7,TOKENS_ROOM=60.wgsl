const WORKGROUP: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 4u;
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
const params = Params(4u, 2u, 220u, 16u, 0.8999999761581421f, 16u, 32u, 896u, 256u, 256u, 1760u, 64u, 320u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selections: array<Selection>;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(4) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(5) var<storage, read_write> slots: array<Stored>;
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn fine_row(position: u32) -> u32 {
  return position % 256u;
}

fn coarse_row(position: u32) -> u32 {
  return 256u + position / 256u;
}

fn added_angles(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.y * b.x + a.x * b.y);
}

fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  return added_angles(rope[fine_row(position) * pairs + pair], rope[coarse_row(position) * pairs + pair]);
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

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of the tabulated angles that a unit's four pairs turn by (lib/rope-angle): added up when it turns, so that until then nothing waits
// for them.
struct Turning {
  fine: mat4x2<f32>,
  coarse: mat4x2<f32>,
  turns: bool,
}

fn tabulated(first: u32) -> mat4x2<f32> {
  return mat4x2<f32>(rope[first], rope[first + 1u], rope[first + 2u], rope[first + 3u]);
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
    let pairs = params.rope_dimensions / 2u;
    let first = u * 4u;
    turning.fine = tabulated(fine_row(position) * pairs + first);
    turning.coarse = tabulated(coarse_row(position) * pairs + first);
  }
  return turning;
}

// What undoes a turning. Where RoPE's angles have a magnitude, the coarse ones have it: it is taken out again.
fn turned_back(turning: Turning) -> Turning {
  var back = turning;
  for (var i = 0u; i < 4u; i++) {
    let fine = turning.fine[i];
    let coarse = turning.coarse[i];
    back.fine[i] = vec2<f32>(fine.x, -fine.y);
    back.coarse[i] = vec2<f32>(coarse.x, -coarse.y) / dot(coarse, coarse);
  }
  return back;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
  let angle = mat4x2<f32>(
    added_angles(turning.fine[0], turning.coarse[0]), added_angles(turning.fine[1], turning.coarse[1]),
    added_angles(turning.fine[2], turning.coarse[2]), added_angles(turning.fine[3], turning.coarse[3]),
  );
  let by = transpose(angle);
  return Quads(a * by[0] - b * by[1], b * by[0] + a * by[1]);
}
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// The caches that tokens are selected from, in quads: rows [KV head][token] of a layer.
// ragged: a head's rows are as wide as it keeps them (MatryoshkaKV), and layers follow each other without gaps. Beyond its width a row repeats what
// it ends with.
// packed: two quads to a Cached, whose numbers want a scale: lib/numbers-q8_0.

// Where the key and the value of a token begin, and the scales of their blocks.
struct SelectedRow {
  key: u32,
  value: u32,
  block: u32,
}

fn selected_row(layer: u32, kv_head: u32, token: u32) -> SelectedRow {
  let first = (kv_head * params.context_length + token) * HEAD_DIM_VEC4S;
  return SelectedRow(layer * CACHE_STRIDE + first, layer * CACHE_STRIDE + first, layer * SCALES_STRIDE + first / 8u);
}

fn key_quads(row: SelectedRow) -> u32 {
  return HEAD_DIM_VEC4S;
}

fn value_quads(row: SelectedRow) -> u32 {
  return HEAD_DIM_VEC4S;
}

fn key_at(row: SelectedRow, i: u32) -> u32 {
  return row.key + i;
}

fn key_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  return unpack_stored(k_cache[key_at(row, i)]);
}
// Last step of TokenSelect: fills the working set from the caches. Keys are turned to the position of their slot: the model never sees a
// distance beyond CAPACITY, however long the context is. An invocation takes a unit of eight components of a slot's key and value, in a layer.
// ragged: keys are made whole of their coefficients, and behind what is kept of a value stands what values are on average.
// Where no selection is due, the step's own token alone: from there on it stands in the set as the caches hold it.
alias Cached = Stored;

const SLOT_UNITS: u32 = CAPACITY * params.kv_heads * UNITS_PER_HEAD;

// The token that stands in a slot of a set that was filled when there were so many tokens.
fn token_of(layer: u32, slot: u32, tokens: u32) -> u32 {
  if (tokens < CAPACITY || slot < INITIAL) {
    return slot;
  }
  if (slot < INITIAL + SELECTED) {
    return selections[layer].tokens[slot - INITIAL];
  }
  return tokens - FILLED + slot;
}

fn value_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  return unpack_stored(v_cache[row.value + i]);
}


@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let layer = workgroup.z;
  let id = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (id >= SLOT_UNITS) {
    return;
  }
  let u = id % UNITS_PER_HEAD;
  let kv_head = id / UNITS_PER_HEAD % params.kv_heads;
  let slot = id / (UNITS_PER_HEAD * params.kv_heads);
  let tokens = state.position + state.rows;
  let is_due = selections[layer].is_due != 0u;
  if (!select(slot == selections[layer].slot, slot >= INITIAL && slot < FILLED, is_due)) {
    return;
  }
  var token = tokens - 1u;
  if (is_due) {
    token = token_of(layer, slot, tokens);
  }
  let quads = quads_of(u);
  let row = selected_row(layer, kv_head, token);
  let key = Quads(key_quad(row, quads.x), key_quad(row, quads.y));
  let value = Quads(value_quad(row, quads.x), value_quad(row, quads.y));
  let turned = turn(key, load_turning(u, quads, slot));
  let to = layer * SET_STRIDE + (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S + quads;
  slots[to.x] = pack_stored(turned.a);
  slots[to.y] = pack_stored(turned.b);
  slots[SET_VALUES + to.x] = pack_stored(value.a);
  slots[SET_VALUES + to.y] = pack_stored(value.b);
}
