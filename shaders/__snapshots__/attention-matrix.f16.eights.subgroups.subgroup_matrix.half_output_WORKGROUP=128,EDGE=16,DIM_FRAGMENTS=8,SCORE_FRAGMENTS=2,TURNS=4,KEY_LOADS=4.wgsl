enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const WORKGROUP: u32 = 128u;
const EDGE: u32 = 16u;
const DIM_FRAGMENTS: u32 = 8u;
const SCORE_FRAGMENTS: u32 = 2u;
const TURNS: u32 = 4u;
const KEY_LOADS: u32 = 4u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(4u, 2u, 100u, 0u, 0.12695716321468353f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// How four components of a head's output are stored.
alias Output = vec2<u32>;

fn pack_output(value: vec4<f32>) -> Output {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// Values of MatryoshkaKV end before their head does: behind them stands what values are there on average. Weights of a softmax sum to one,
// so a head's output has it once, and an unnormalized one as often as its weights' sum says.
struct LeftOut {
  is_left_out: bool,
  mean: vec4<f32>,
}

// Of four components of a head: to be brought before it attends.
fn left_out_of(kv_head: u32, quad: u32) -> LeftOut {
  return LeftOut();
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
  return attended;
}
// Where the rows of a KV head lie in the caches, in units of CACHED_COMPONENTS. ragged: every head has widths of its own (MatryoshkaKV); rows
// of a head follow each other without gaps, and beyond its width a row repeats what it ends with: queries are zero there, and outputs are
// not read (lib/left-out). Else all rows are CACHED_PER_HEAD wide.
// packed: numbers that want a scale, eight to a Cached: lib/stored-q8_0.

const CACHED_COMPONENTS: u32 = 8u;
// Eight halves.
alias Cached = vec4<u32>;
// Units of a packed block.
const BLOCK_UNITS: u32 = 32u / CACHED_COMPONENTS;

struct CachedRows {
  first: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  return CachedRows(kv_head * params.context_length);
}

fn key_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn value_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return (rows.first + position) * CACHED_PER_HEAD + i;
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i) / BLOCK_UNITS;
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[key_at(rows, position, i)];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[value_at(rows, position, i)];
}
// What variants of attention that take tiles of ROWS tokens share.

// Scores of four keys that the token at `position` does not see become very small.
fn mask(score: vec4<f32>, first_key: u32, position: u32) -> vec4<f32> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let seen = (keys <= vec4<u32>(position)) & (keys >= vec4<u32>(first_position(position)));
  return select(vec4<f32>(-1.0e30), score, seen);
}

struct Tile {
  head: u32,
  first_row: u32,
}

// The tile of a workgroup, `tiles` a head. Late tokens see most keys: they start first.
// by_head: tiles of tokens that have their head on start before all others, which leave zeros alone: a GPU spreads workgroups over its units
// when they start, and where some end at once those that compute may share a unit while others have none.
fn tile_of(workgroup: vec3<u32>, tiles: u32) -> Tile {
  return Tile(workgroup.x, (tiles - 1u - workgroup.z) * ROWS);
}
// The matrix variant of attention (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): a workgroup of four subgroups takes ROWS tokens of one
// head, 16 a subgroup, and goes through the keys in blocks, from the last to the first. Queries and sums of the output stay in
// fragments; keys, values and probabilities pass through workgroup memory as halves. Blocks above the diagonal are never visited, and
// only blocks on it, or at the edge of a window, are masked.
//
// Fragments cannot be scaled row by row, so the output is rescaled only where a row's largest score has grown by more than 2^SLACK:
// up to there, probabilities relative to the old maximum fit into halves.


const SUBGROUPS: u32 = 4u;
const ROWS: u32 = SUBGROUPS * EDGE;
const HEAD_DIM: u32 = DIM_FRAGMENTS * EDGE;
const BLOCK: u32 = SCORE_FRAGMENTS * EDGE;
const SLACK: f32 = 8.0;
// In vec4s. Rows are 16 bytes longer than they need be: neighbouring ones start in other banks.
const KEY_STRIDE: u32 = HEAD_DIM / 4u + 2u;
const SHARED_STRIDE: u32 = max(HEAD_DIM, BLOCK) / 4u + 2u;
const SCORE_STRIDE: u32 = BLOCK + 8u;
const HEAD_VEC4S: u32 = HEAD_DIM / 4u;
const HEAD_VEC8S: u32 = HEAD_DIM / 8u;
const CACHED_PER_HEAD: u32 = HEAD_VEC8S;

var<workgroup> key_tile: array<vec4<f16>, BLOCK * KEY_STRIDE>;
var<workgroup> value_tile: array<vec4<f16>, BLOCK * KEY_STRIDE>;
// What one subgroup alone reads is an array of its own, so that the places of its fragments are constants, which need no checks at run
// time: see matrix-tiles.
alias LeftPart = array<vec4<f16>, EDGE * SHARED_STRIDE>;
alias ScorePart = array<vec4<f32>, EDGE * SCORE_STRIDE / 4u>;
// Queries at first, then probabilities.
var<workgroup> left_tile: array<LeftPart, SUBGROUPS>;
var<workgroup> scores: array<ScorePart, SUBGROUPS>;
var<workgroup> grown: u32;

fn bring_queries(head: u32, first_row: u32, invocation: u32) {
  for (var i = invocation; i < ROWS * HEAD_VEC4S; i += WORKGROUP) {
    let row = i / HEAD_VEC4S;
    let quad = i % HEAD_VEC4S;
    let from_row = row_of(head, min(first_row + row, rows_of(head) - 1u));
    let query = queries[(from_row * params.heads + head) * HEAD_VEC4S + quad] * params.scale_log2e;
    left_tile[row / EDGE][row % EDGE * SHARED_STRIDE + quad] = vec4<f16>(query);
  }
}

// Eight components of a key and a value.
struct KeyAndValue {
  key: vec4<u32>,
  value: vec4<u32>,
}

// The part `at` of a block's rows.
fn load_cached(rows: CachedRows, first_key: u32, at: u32) -> KeyAndValue {
  let position = min(first_key + at / HEAD_VEC8S, params.context_length - 1u);
  let part = at % HEAD_VEC8S;
  return KeyAndValue(cached_key(rows, position, part), cached_value(rows, position, part));
}

fn store_cached(cached: KeyAndValue, at: u32) {
  if (at >= BLOCK * HEAD_VEC8S) {
    return;
  }
  let to = at / HEAD_VEC8S * KEY_STRIDE + at % HEAD_VEC8S * 2u;
  key_tile[to] = bitcast<vec4<f16>>(cached.key.xy);
  key_tile[to + 1u] = bitcast<vec4<f16>>(cached.key.zw);
  value_tile[to] = bitcast<vec4<f16>>(cached.value.xy);
  value_tile[to + 1u] = bitcast<vec4<f16>>(cached.value.zw);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = tile_of(workgroup, workgroups.z);
  let head = tile.head;
  let first_row = tile.first_row;
  let rows = cached_rows(head / params.group_size);
  let end_row = min(first_row + ROWS, rows_of(head));
  let first_token = state.position + row_of(head, first_row);
  let last_token = state.position + row_of(head, end_row - 1u);
  let first_block = first_position(first_token) / BLOCK;
  let end_block = last_token / BLOCK + 1u;

  bring_queries(head, first_row, invocation);
  workgroupBarrier();
  let own_left = &left_tile[subgroup];
  let own_scores = &scores[subgroup];
  let query_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 0u * EDGE / 4u, SHARED_STRIDE);
  var sums_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 1u * EDGE / 4u, SHARED_STRIDE);
  var sums_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_2 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 2u * EDGE / 4u, SHARED_STRIDE);
  var sums_2: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_3 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 3u * EDGE / 4u, SHARED_STRIDE);
  var sums_3: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_4 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 4u * EDGE / 4u, SHARED_STRIDE);
  var sums_4: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_5 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 5u * EDGE / 4u, SHARED_STRIDE);
  var sums_5: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_6 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 6u * EDGE / 4u, SHARED_STRIDE);
  var sums_6: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_7 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, 7u * EDGE / 4u, SHARED_STRIDE);
  var sums_7: subgroup_matrix_result<f32, EDGE, EDGE>;

  let row_of_lane = lane / 2u;
  let turn_of_lane = lane % 2u;
  // Rows past the last one that has the head on repeat it.
  let place = first_row + subgroup * EDGE + row_of_lane;
  let position = state.position + row_of(head, min(place, end_row - 1u));
  let lane_scores = row_of_lane * SCORE_STRIDE / 4u;
  let lane_left = row_of_lane * SHARED_STRIDE;
  var reference = -1.0e30;
  var total = 0.0;
  var cached_0 = load_cached(rows, (end_block - 1u) * BLOCK, 0u * WORKGROUP + invocation);
  var cached_1 = load_cached(rows, (end_block - 1u) * BLOCK, 1u * WORKGROUP + invocation);
  var cached_2 = load_cached(rows, (end_block - 1u) * BLOCK, 2u * WORKGROUP + invocation);
  var cached_3 = load_cached(rows, (end_block - 1u) * BLOCK, 3u * WORKGROUP + invocation);
  for (var block = end_block; block > first_block; block--) {
    let first_key = (block - 1u) * BLOCK;
    workgroupBarrier();
    store_cached(cached_0, 0u * WORKGROUP + invocation);
    store_cached(cached_1, 1u * WORKGROUP + invocation);
    store_cached(cached_2, 2u * WORKGROUP + invocation);
    store_cached(cached_3, 3u * WORKGROUP + invocation);
    if (invocation == 0u) {
      grown = 0u;
    }
    workgroupBarrier();
    // The next block is on its way while this one is multiplied; the last one loads itself again, and drops it.
    let next_key = (max(block - 1u, first_block + 1u) - 1u) * BLOCK;
    cached_0 = load_cached(rows, next_key, 0u * WORKGROUP + invocation);
    cached_1 = load_cached(rows, next_key, 1u * WORKGROUP + invocation);
    cached_2 = load_cached(rows, next_key, 2u * WORKGROUP + invocation);
    cached_3 = load_cached(rows, next_key, 3u * WORKGROUP + invocation);

    var scores_0 = subgroup_matrix_result<f32, EDGE, EDGE>();
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 0u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 1u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_2,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 2u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_3,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 3u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_4,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 4u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_5,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 5u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_6,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 6u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_7,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 0u * EDGE * KEY_STRIDE + 7u * EDGE / 4u, KEY_STRIDE),
      scores_0,
    );
    subgroupMatrixStore<row_major>(own_scores, 0u * EDGE / 4u, scores_0, SCORE_STRIDE / 4u);
    var scores_1 = subgroup_matrix_result<f32, EDGE, EDGE>();
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 0u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 1u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_2,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 2u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_3,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 3u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_4,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 4u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_5,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 5u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_6,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 6u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_7,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, 1u * EDGE * KEY_STRIDE + 7u * EDGE / 4u, KEY_STRIDE),
      scores_1,
    );
    subgroupMatrixStore<row_major>(own_scores, 1u * EDGE / 4u, scores_1, SCORE_STRIDE / 4u);
    workgroupBarrier();

    var row_scores_0 = own_scores[lane_scores + 2u * 0u + turn_of_lane];
    var row_scores_1 = own_scores[lane_scores + 2u * 1u + turn_of_lane];
    var row_scores_2 = own_scores[lane_scores + 2u * 2u + turn_of_lane];
    var row_scores_3 = own_scores[lane_scores + 2u * 3u + turn_of_lane];
    if (first_key + BLOCK > first_token || first_key < first_position(last_token)) {
      row_scores_0 = mask(row_scores_0, first_key + (2u * 0u + turn_of_lane) * 4u, position);
      row_scores_1 = mask(row_scores_1, first_key + (2u * 1u + turn_of_lane) * 4u, position);
      row_scores_2 = mask(row_scores_2, first_key + (2u * 2u + turn_of_lane) * 4u, position);
      row_scores_3 = mask(row_scores_3, first_key + (2u * 3u + turn_of_lane) * 4u, position);
    }
    var largest = vec4<f32>(-1.0e30);
    largest = max(largest, row_scores_0);
    largest = max(largest, row_scores_1);
    largest = max(largest, row_scores_2);
    largest = max(largest, row_scores_3);
    var row_largest = max(max(largest.x, largest.y), max(largest.z, largest.w));
    row_largest = max(row_largest, subgroupShuffleXor(row_largest, 1u));
    let grows = row_largest > reference + SLACK;
    let new_reference = select(reference, row_largest, grows);
    let rescale = exp2(reference - new_reference);
    reference = new_reference;
    var row_total = vec4<f32>();
    let probability_0 = exp2(row_scores_0 - vec4<f32>(reference));
    row_total += probability_0;
    own_left[lane_left + 2u * 0u + turn_of_lane] = vec4<f16>(probability_0);
    let probability_1 = exp2(row_scores_1 - vec4<f32>(reference));
    row_total += probability_1;
    own_left[lane_left + 2u * 1u + turn_of_lane] = vec4<f16>(probability_1);
    let probability_2 = exp2(row_scores_2 - vec4<f32>(reference));
    row_total += probability_2;
    own_left[lane_left + 2u * 2u + turn_of_lane] = vec4<f16>(probability_2);
    let probability_3 = exp2(row_scores_3 - vec4<f32>(reference));
    row_total += probability_3;
    own_left[lane_left + 2u * 3u + turn_of_lane] = vec4<f16>(probability_3);
    total = total * rescale + (row_total.x + row_total.y) + (row_total.z + row_total.w);
    if (grows && block < end_block) {
      grown = 1u;
    }
    if (workgroupUniformLoad(&grown) == 1u) {
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_0, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_0 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_1, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_1 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_2, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_2 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_3, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_3 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_4, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_4 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_5, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_5 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_6, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_6 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_7, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_7 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
    }

    let probabilities_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_left, 0u * EDGE / 4u, SHARED_STRIDE);
    sums_0 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 0u * EDGE / 4u, KEY_STRIDE),
      sums_0,
    );
    sums_1 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 1u * EDGE / 4u, KEY_STRIDE),
      sums_1,
    );
    sums_2 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 2u * EDGE / 4u, KEY_STRIDE),
      sums_2,
    );
    sums_3 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 3u * EDGE / 4u, KEY_STRIDE),
      sums_3,
    );
    sums_4 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 4u * EDGE / 4u, KEY_STRIDE),
      sums_4,
    );
    sums_5 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 5u * EDGE / 4u, KEY_STRIDE),
      sums_5,
    );
    sums_6 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 6u * EDGE / 4u, KEY_STRIDE),
      sums_6,
    );
    sums_7 = subgroupMatrixMultiplyAccumulate(
      probabilities_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 0u * EDGE * KEY_STRIDE + 7u * EDGE / 4u, KEY_STRIDE),
      sums_7,
    );
    let probabilities_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_left, 1u * EDGE / 4u, SHARED_STRIDE);
    sums_0 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 0u * EDGE / 4u, KEY_STRIDE),
      sums_0,
    );
    sums_1 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 1u * EDGE / 4u, KEY_STRIDE),
      sums_1,
    );
    sums_2 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 2u * EDGE / 4u, KEY_STRIDE),
      sums_2,
    );
    sums_3 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 3u * EDGE / 4u, KEY_STRIDE),
      sums_3,
    );
    sums_4 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 4u * EDGE / 4u, KEY_STRIDE),
      sums_4,
    );
    sums_5 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 5u * EDGE / 4u, KEY_STRIDE),
      sums_5,
    );
    sums_6 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 6u * EDGE / 4u, KEY_STRIDE),
      sums_6,
    );
    sums_7 = subgroupMatrixMultiplyAccumulate(
      probabilities_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, 1u * EDGE * KEY_STRIDE + 7u * EDGE / 4u, KEY_STRIDE),
      sums_7,
    );
  }

  total += subgroupShuffleXor(total, 1u);
  let row = row_of(head, min(place, state.rows - 1u));
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_0, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 0u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_1, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 1u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_2, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 2u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_3, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 3u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_4, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 4u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_5, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 5u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_6, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 6u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_7, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = 7u * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
}
// out[row, head] = softmax(scale · q Kᵀ) V over the cached positions up to the row's own, causal, optionally within a
// sliding window; grouped queries share the keys of their KV head. Online softmax with an unnormalized output and one
// division at the end (FlashAttention-2, arXiv 2307.08691, §3.1); scale · log2(e) is folded into the exponent.
//
// cooperative: a workgroup takes one (row, head). For a block of WORKGROUP positions each invocation makes one score;
//              then each accumulates one vec4 of the output over its share of the block.
// stream:      a workgroup takes one (row, head), sets of invocations take a key each: lib/stream-attention.
// matrix:      subgroups multiply fragments: lib/matrix-attention.
// tiled:       tiles of tokens and keys in workgroup memory: lib/tiled-attention.
// else:        an invocation takes one (row, head): barrier-free, for adapters where barriers are slow.
// ragged:      keys and values of a KV head have widths of its own: lib/cached-rows, lib/left-out.
// packed:      keys and values in blocks with a scale: lib/stored-q8_0, lib/stored-q4_0.
// gated:       a head's output is multiplied with its gate; one whose gate is 0 is not computed.
// summands:    a head leaves what it adds to the output projection instead of its output: lib/head-summand.
// by_head:     each head takes the tokens in an order of its own, those that have it on first, so that tiles are full: head-rows.

fn gate_of(row: u32, head: u32) -> f32 {
  return 1.0;
}

// Four components of a head's output.
fn output_of(row: u32, head: u32, quad: u32, attended: vec4<f32>) -> vec4<f32> {
  return gate_of(row, head) * with_left_out(attended, 1.0, left_out_of(head / params.group_size, quad));
}

// The row of the pass that a head takes as its i-th.
fn row_of(head: u32, i: u32) -> u32 {
  return i;
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
  return state.rows;
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}
