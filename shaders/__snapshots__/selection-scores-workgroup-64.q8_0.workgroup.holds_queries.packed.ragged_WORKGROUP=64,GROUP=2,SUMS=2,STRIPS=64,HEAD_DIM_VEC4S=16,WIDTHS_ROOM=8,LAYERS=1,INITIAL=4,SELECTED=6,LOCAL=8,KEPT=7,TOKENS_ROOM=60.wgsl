const WORKGROUP: u32 = 64u;
const GROUP: u32 = 2u;
const SUMS: u32 = 2u;
const STRIPS: u32 = 64u;
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
const params = Params(4u, 2u, 220u, 16u, 0.8999999761581421f, 64u, 128u, 896u, 256u, 256u, 7040u, 896u, 1152u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> selections: array<Selection>;
@group(0) @binding(2) var<storage, read> asked: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(4) var<storage, read> kv_scales: array<u32>;
@group(0) @binding(5) var<uniform> head_widths: array<HeadWidths, LAYERS * WIDTHS_ROOM>;
@group(0) @binding(6) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> scores: array<f32>;
@group(0) @binding(8) var<storage, read_write> strips: array<vec2<f32>>;
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
// Numbers out of words.

// Eight 4-bit numbers of a word, less `bias`: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j. A number n at bits p to p + 3 of the
// mantissa of 2^(23 - p) makes 2^(23 - p) + n, so that no conversion is needed, and a shift only for bits that the mantissa has no room for.
fn low_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let bits = vec4<u32>(word, word, word, word >> 12u) & vec4<u32>(0xfu, 0xf0000u, 0xf0u, 0xf00u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u, 0x43000000u, 0x49000000u, 0x47000000u))
    - (vec4<f32>(8388608.0, 128.0, 524288.0, 32768.0) + bias);
}

fn high_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let upper = word >> 12u;
  let bits = vec4<u32>(word, upper, word, upper) & vec4<u32>(0xf00u, 0xf000u, 0xf000u, 0xf0000u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x47000000u, 0x45000000u, 0x45000000u, 0x43000000u))
    - (vec4<f32>(32768.0, 2048.0, 2048.0, 128.0) + bias);
}

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
// Eight numbers of a block of 32, signed bytes. A word of kv_scales holds the scales of a block of a key and of the same one of its value.
alias Cached = vec2<u32>;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return signed_bytes(cached[half]);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return abs(largest) / 127.0;
}

fn pack_byte_quad(scaled: vec4<f32>) -> u32 {
  return dot(vec4<u32>(vec4<i32>(scaled + 0.5 * sign(scaled))) & vec4<u32>(0xffu), vec4<u32>(1u, 0x100u, 0x10000u, 0x1000000u));
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  return vec2<u32>(pack_byte_quad(a), pack_byte_quad(b));
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Caches of q8_0: numbers in blocks that share a scale. A Stored is what four of them stand for.
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

// Of the block of a key and of its value that a quad is in.
fn scales_of_quad(row: SelectedRow, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[row.block + i / 8u]);
}

fn key_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  let at = key_at(row, i);
  return scales_of_quad(row, at - row.key).x * numbers_of(k_cache[at / 2u], at % 2u);
}
// Sums over a workgroup by a tree in workgroup memory. Every invocation gets the result.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  reduce_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        reduce_scratch[lane][i] += reduce_scratch[lane + step][i];
      }
    }
    workgroupBarrier();
  }
  return reduce_scratch[0];
}
// The largest values over a workgroup by a tree in workgroup memory. Every invocation gets them.
var<workgroup> max_scratch: array<Sums, WORKGROUP>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  max_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        max_scratch[lane][i] = max(max_scratch[lane][i], max_scratch[lane + step][i]);
      }
    }
    workgroupBarrier();
  }
  return max_scratch[0];
}
// Second step of TokenSelect: q·k of every candidate, the cached tokens behind the first INITIAL and before the last KEPT, for the query heads of a
// KV head at once, where a selection is due. A workgroup takes a KV head and one of
// STRIPS parts of the candidates, in a layer.
// ragged: keys are coefficients of their head's basis (MatryoshkaKV), and so become the queries.
// stream: LANES neighbouring invocations take KEYS neighbouring keys, eight components each, so that a subgroup reads whole rows.
alias Sums = array<f32, SUMS>;

// Of the KV head's GROUP query heads.
var<workgroup> query: array<vec4<f32>, GROUP * HEAD_DIM_VEC4S>;

// Coefficients 4 quad to 4 quad + 3 of the query from `first` on: zeros where keys have none.
fn narrow_query(widths: HeadWidths, first: u32, quad: u32) -> vec4<f32> {
  var coefficients = vec4<f32>();
  if (quad * 4u < widths.key) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      coefficients += projected(widths.basis, asked[first + i], i, quad);
    }
  }
  return coefficients;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let subgroup_size = 1u;
  let layer = workgroup.z;
  if (selections[layer].is_due == 0u) {
    return;
  }
  let strip = workgroup.x;
  let kv_head = workgroup.y;
  let own_asked = layer * ASKED_STRIDE + kv_head * GROUP * HEAD_DIM_VEC4S;
  let own_scores = layer * SCORE_STRIDE + kv_head * GROUP * params.context_length;
  for (var i = invocation; i < GROUP * HEAD_DIM_VEC4S; i += WORKGROUP) {
    query[i] = narrow_query(widths_of(layer, kv_head), own_asked + i / HEAD_DIM_VEC4S * HEAD_DIM_VEC4S, i % HEAD_DIM_VEC4S);
  }
  workgroupBarrier();

  let end = state.position + state.rows - KEPT;
  let span = (end - INITIAL + STRIPS - 1u) / STRIPS;
  let first = INITIAL + strip * span;
  let strip_end = min(first + span, end);
  var largest_0 = -3.0e38;
  var total_0 = 0.0;
  var largest_1 = -3.0e38;
  var total_1 = 0.0;
  for (var token = first + invocation; token < strip_end; token += WORKGROUP) {
    let is_own = true;
    let row = selected_row(layer, kv_head, token);
    var score_0 = 0.0;
    var score_1 = 0.0;
    for (var i = 0u; i < key_quads(row); i++) {
      let key = key_quad(row, i);
      score_0 += dot(query[0u * HEAD_DIM_VEC4S + i], key);
      score_1 += dot(query[1u * HEAD_DIM_VEC4S + i], key);
    }
    if (is_own) {
      scores[own_scores + 0u * params.context_length + token] = score_0;
      let new_largest_0 = max(largest_0, score_0);
      total_0 = total_0 * exp(largest_0 - new_largest_0) + exp(score_0 - new_largest_0);
      largest_0 = new_largest_0;
      scores[own_scores + 1u * params.context_length + token] = score_1;
      let new_largest_1 = max(largest_1, score_1);
      total_1 = total_1 * exp(largest_1 - new_largest_1) + exp(score_1 - new_largest_1);
      largest_1 = new_largest_1;
    }
  }
  var largest: Sums;
  var totals: Sums;
  largest[0u] = largest_0;
  largest[1u] = largest_1;
  largest = reduce_max(largest, invocation, subgroup_size);
  totals[0u] = total_0 * exp(largest_0 - largest[0u]);
  totals[1u] = total_1 * exp(largest_1 - largest[1u]);
  totals = reduce_add(totals, invocation, subgroup_size);
  if (invocation == 0u) {
    strips[layer * STRIP_STRIDE + (kv_head * GROUP + 0u) * STRIPS + strip] = vec2<f32>(largest[0u], totals[0u]);
    strips[layer * STRIP_STRIDE + (kv_head * GROUP + 1u) * STRIPS + strip] = vec2<f32>(largest[1u], totals[1u]);
  }
}
