const WORKGROUP: u32 = 32u;
const HEAD_DIM_VEC4S: u32 = 16u;
const WIDTHS_ROOM: u32 = 8u;
const LAYERS: u32 = 1u;
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
const params = Params(9u, 3u, 220u, 64u, 0.8999999761581421f, 144u, 288u, 1984u, 576u, 256u, 10560u, 64u, 1728u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selections: array<Selection>;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> slots: array<Stored>;
@group(0) @binding(4) var<storage, read_write> k_cache: array<Cached>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<Cached>;
@group(0) @binding(6) var<uniform> head_widths: array<HeadWidths, LAYERS * WIDTHS_ROOM>;
@group(0) @binding(7) var<storage, read> basis: array<vec2<u32>>;
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
// How wide keys and values of each KV head are in caches of MatryoshkaKV, in components, and where a head begins: what heads before it take of
// a token. Blocks are those of packed caches.
struct HeadWidths {
  first_key: u32,
  key: u32,
  first_value: u32,
  value: u32,
  first_block: u32,
  blocks: u32,
  // Where the basis of its keys and the mean of its values are in the bases of all layers, where layers lie behind each other.
  basis: u32,
  mean: u32,
}
// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): HEAD_DIM_VEC4S * 4 basis vectors of a KV head, most important first, in halves.

// From where on the basis of a head stands in the bases of a layer.
fn basis_of(kv_head: u32) -> u32 {
  return kv_head * HEAD_DIM_VEC4S * 4u * HEAD_DIM_VEC4S;
}

// Four components out of their halves.
fn basis_components(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// Components 4 quad to 4 quad + 3 of vector j of the basis from `first` on.
fn basis_quad(first: u32, j: u32, quad: u32) -> vec4<f32> {
  return basis_components(basis[first + j * HEAD_DIM_VEC4S + quad]);
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(first, quad * 4u, i)),
    dot(given, basis_quad(first, quad * 4u + 1u, i)),
    dot(given, basis_quad(first, quad * 4u + 2u, i)),
    dot(given, basis_quad(first, quad * 4u + 3u, i)),
  );
}

// What coefficients 4 i to 4 i + 3 contribute to components 4 quad to 4 quad + 3.
fn unprojected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return mat4x4<f32>(
    basis_quad(first, i * 4u, quad),
    basis_quad(first, i * 4u + 1u, quad),
    basis_quad(first, i * 4u + 2u, quad),
    basis_quad(first, i * 4u + 3u, quad),
  ) * given;
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
  key_quads: u32,
  value_quads: u32,
}


fn widths_of(layer: u32, kv_head: u32) -> HeadWidths {
  return head_widths[layer * WIDTHS_ROOM + kv_head];
}

fn selected_row(layer: u32, kv_head: u32, token: u32) -> SelectedRow {
  let widths = widths_of(layer, kv_head);
  let key_quads = widths.key / 4u;
  let value_quads = widths.value / 4u;
  return SelectedRow(
    widths.first_key / 4u * params.context_length + token * key_quads,
    widths.first_value / 4u * params.context_length + token * value_quads,
    widths.first_block * params.context_length + token * widths.blocks,
    key_quads, value_quads,
  );
}

fn key_quads(row: SelectedRow) -> u32 {
  return row.key_quads;
}

fn value_quads(row: SelectedRow) -> u32 {
  return row.value_quads;
}

fn key_at(row: SelectedRow, i: u32) -> u32 {
  return row.key + min(i, row.key_quads - 1u);
}

fn key_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  return unpack_stored(k_cache[key_at(row, i)]);
}
// Second step of TokenSelect for a decode step: its key and value, which were made for the working set, go into the caches, the key turned back.
// gather-tokens takes them from there. A workgroup takes a KV head, in a layer.
// ragged: of the key its coefficients of the head's basis, of the value its first components (kv-project).
alias Cached = Stored;

alias Head = array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> key: Head;
var<workgroup> value: Head;
var<workgroup> coefficients: Head;

// As much as the row keeps, then zeros.
fn kept_key(row: SelectedRow, i: u32) -> vec4<f32> {
  return coefficients[i];
}

fn kept_value(row: SelectedRow, i: u32) -> vec4<f32> {
  return select(vec4<f32>(), value[i], i < value_quads(row));
}


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  let kv_head = workgroup.x;
  let slot = selections[layer].slot;
  let own_slot = layer * SET_STRIDE + (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S;
  for (var u = invocation; u < UNITS_PER_HEAD; u += WORKGROUP) {
    let quads = quads_of(u);
    let at = own_slot + quads;
    let turned = Quads(unpack_stored(slots[at.x]), unpack_stored(slots[at.y]));
    let plain = turn(turned, turned_back(load_turning(u, quads, slot)));
    key[quads.x] = plain.a;
    key[quads.y] = plain.b;
    value[quads.x] = unpack_stored(slots[SET_VALUES + at.x]);
    value[quads.y] = unpack_stored(slots[SET_VALUES + at.y]);
  }
  workgroupBarrier();
  let row = selected_row(layer, kv_head, state.position);
  let basis_at = widths_of(layer, kv_head).basis;
  for (var quad = invocation; quad < HEAD_DIM_VEC4S; quad += WORKGROUP) {
    var sum = vec4<f32>();
    if (quad < row.key_quads) {
      for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
        sum += projected(basis_at, key[i], i, quad);
      }
    }
    coefficients[quad] = sum;
  }
  workgroupBarrier();
  for (var i = invocation; i < HEAD_DIM_VEC4S; i += WORKGROUP) {
    if (i < key_quads(row)) {
      k_cache[row.key + i] = pack_stored(kept_key(row, i));
    }
    if (i < value_quads(row)) {
      v_cache[row.value + i] = pack_stored(kept_value(row, i));
    }
  }
}
