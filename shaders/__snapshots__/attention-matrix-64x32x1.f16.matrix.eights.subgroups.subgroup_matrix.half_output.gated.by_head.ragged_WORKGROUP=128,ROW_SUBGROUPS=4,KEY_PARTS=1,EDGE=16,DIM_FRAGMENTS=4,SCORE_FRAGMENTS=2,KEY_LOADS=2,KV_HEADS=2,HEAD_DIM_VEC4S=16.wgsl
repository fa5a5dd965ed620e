enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const WORKGROUP: u32 = 128u;
const ROW_SUBGROUPS: u32 = 4u;
const KEY_PARTS: u32 = 1u;
const EDGE: u32 = 16u;
const DIM_FRAGMENTS: u32 = 4u;
const SCORE_FRAGMENTS: u32 = 2u;
const KEY_LOADS: u32 = 2u;
const KV_HEADS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 16u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(8u, 4u, 82u, 0u, 0.1803368777036667f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<storage, read> head_rows: array<u32>;
@group(0) @binding(7) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
@group(0) @binding(8) var<uniform> mean: array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>;
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
  return LeftOut(quad * 4u >= head_widths[kv_head].value, mean[kv_head][quad]);
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
  return select(attended, weight * left_out.mean, left_out.is_left_out);
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
  first_key: u32,
  key_width: u32,
  first_value: u32,
  value_width: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  let widths = head_widths[kv_head];
  return CachedRows(
    widths.first_key / CACHED_COMPONENTS * params.context_length, widths.key / CACHED_COMPONENTS,
    widths.first_value / CACHED_COMPONENTS * params.context_length, widths.value / CACHED_COMPONENTS,
  );
}

fn key_width(rows: CachedRows) -> u32 {
  return rows.key_width;
}

fn value_width(rows: CachedRows) -> u32 {
  return rows.value_width;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_key + position * rows.key_width + min(i, rows.key_width - 1u);
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_value + position * rows.value_width + min(i, rows.value_width - 1u);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return 0u;
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
  var left = workgroup.z * params.heads + workgroup.x;
  for (var head = 0u; head < params.heads; head++) {
    if (left < tiles_on(head)) {
      return Tile(head, (tiles_on(head) - 1u - left) * ROWS);
    }
    left -= tiles_on(head);
  }
  var head = 0u;
  for (; left >= tiles - tiles_on(head); head++) {
    left -= tiles - tiles_on(head);
  }
  return Tile(head, (tiles_on(head) + left) * ROWS);
}

// Tiles with tokens that have the head on.
fn tiles_on(head: u32) -> u32 {
  return (rows_of(head) + ROWS - 1u) / ROWS;
}

// What tokens that have the head off get.
fn leave_zeros(head: u32, first_row: u32, invocation: u32) {
  for (var i = invocation; i < ROWS * HEAD_VEC4S; i += WORKGROUP) {
    let place = first_row + i / HEAD_VEC4S;
    if (place < state.rows) {
      out[(row_of(head, place) * params.heads + head) * HEAD_VEC4S + i % HEAD_VEC4S] = pack_output(vec4<f32>());
    }
  }
}
// The matrix variants of attention (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): a workgroup takes ROWS tokens of one head and goes
// through the keys in blocks, from the last to the first. ROW_SUBGROUPS subgroups share the tokens; KEY_PARTS such sets share the keys of
// a block and put their outputs together at the end. Queries and sums of the output stay in fragments; keys, values, scores and
// probabilities pass through workgroup memory. Blocks above the diagonal are never visited, and only parts of them on it, or at the edge
// of a window, are masked.
//
// What it takes is mostly waits, so many subgroups have to share a multiprocessor, whose workgroup memory is what they compete for:
// probabilities lie where the scores were, or between their rows. In place, they are multiplied with their values while the queries are with
// the next block's keys; between rows, while the next probabilities are made: 3 % quicker there, 5 % slower in place.
//
// Fragments cannot be scaled row by row, so the output is rescaled only where a row's largest score has grown by more than 2^SLACK:
// up to there, probabilities relative to the old maximum fit into halves.


const ROWS: u32 = ROW_SUBGROUPS * EDGE;
const HEAD_DIM: u32 = DIM_FRAGMENTS * EDGE;
const PART: u32 = SCORE_FRAGMENTS * EDGE;
const BLOCK: u32 = KEY_PARTS * PART;
const SLACK: f32 = 8.0;
// What a row's first scores are compared with: more than those that it does not see.
const FIRST_REFERENCE: f32 = -1.0e20;
const HEAD_VEC4S: u32 = HEAD_DIM / 4u;
const HEAD_VEC8S: u32 = HEAD_DIM / 8u;
const CACHED_PER_HEAD: u32 = HEAD_VEC8S;
// In 16 bytes. Rows are longer than they need be: neighbouring ones start in other banks.
const KEY_STRIDE: u32 = HEAD_VEC8S + 1u;
const SCORE_STRIDE: u32 = PART / 4u + 2u;
// Of a single fragment of scores, probabilities fit behind each row, into what keeps rows apart: a barrier less. Of more, they lie in their place.
const IN_PLACE: bool = SCORE_FRAGMENTS > 1u;
const PROBABILITIES: u32 = select(EDGE / 4u, 0u, IN_PLACE);
// Fragments of the output that a row of scores has room for.
const OUTPUT_PLACES: u32 = min(2u, 4u * SCORE_STRIDE / EDGE);
// Is a block a whole number of loads by all invocations?
const WHOLE_LOADS: bool = BLOCK * HEAD_VEC8S % WORKGROUP == 0u;

// Halves by eights: fragments of rows that are known to start at 16 bytes load quicker. What one subgroup alone reads is an array of its
// own, so that the places of its fragments are constants, which need no checks at run time: see matrix-tiles.
alias KeyPart = array<vec4<u32>, PART * KEY_STRIDE>;
var<workgroup> key_tile: array<KeyPart, KEY_PARTS>;
var<workgroup> value_tile: array<KeyPart, KEY_PARTS>;
// Queries in halves at first; then scores in single precision and probabilities in halves; sums of the output at last.
alias ScorePart = array<vec4<u32>, EDGE * SCORE_STRIDE>;
var<workgroup> scores: array<ScorePart, KEY_PARTS * ROW_SUBGROUPS>;
var<workgroup> grown: u32;
// Of a row by a part of the keys: what its probabilities are relative to, and their sum.
var<workgroup> shares: array<vec2<f32>, KEY_PARTS * ROWS>;

fn halves_of(low: vec4<f32>, high: vec4<f32>) -> vec4<u32> {
  return vec4<u32>(bitcast<vec2<u32>>(vec4<f16>(low)), bitcast<vec2<u32>>(vec4<f16>(high)));
}

// Eight components of the query of a tile's row.
fn query_part(head: u32, place: u32, part: u32) -> vec4<u32> {
  let row = row_of(head, min(place, rows_of(head) - 1u));
  let at = (row * params.heads + head) * HEAD_VEC4S + 2u * part;
  return halves_of(queries[at] * params.scale_log2e, queries[at + 1u] * params.scale_log2e);
}

// Eight components of the keys, of the values of a block.
fn load_keys(rows: CachedRows, block: u32, at: u32) -> vec4<u32> {
  let position = min(block * BLOCK + at / HEAD_VEC8S, params.context_length - 1u);
  return cached_key(rows, position, at % HEAD_VEC8S);
}

fn load_values(rows: CachedRows, block: u32, at: u32) -> vec4<u32> {
  let position = min(block * BLOCK + at / HEAD_VEC8S, params.context_length - 1u);
  return cached_value(rows, position, at % HEAD_VEC8S);
}

fn store_keys(keys: vec4<u32>, at: u32) {
  let row = at / HEAD_VEC8S;
  if (WHOLE_LOADS || row < BLOCK) {
    key_tile[row / PART][row % PART * KEY_STRIDE + at % HEAD_VEC8S] = keys;
  }
}

// Values lie in the order of the probabilities: of sixteen, the third four come before the second.
fn store_values(values: vec4<u32>, at: u32) {
  let key = at / HEAD_VEC8S;
  let row = (key & ~12u) | ((key & 4u) << 1u) | ((key & 8u) >> 1u);
  if (WHOLE_LOADS || row < BLOCK) {
    value_tile[row / PART][row % PART * KEY_STRIDE + at % HEAD_VEC8S] = values;
  }
}

// What the sums by each part of the keys count in a row's output.
fn weights_of(row: u32) -> array<f32, KEY_PARTS> {
  var largest = FIRST_REFERENCE;
  for (var p = 0u; p < KEY_PARTS; p++) {
    largest = max(largest, shares[p * ROWS + row].x);
  }
  var weights: array<f32, KEY_PARTS>;
  var total = 0.0;
  for (var p = 0u; p < KEY_PARTS; p++) {
    let share = shares[p * ROWS + row];
    weights[p] = exp2(share.x - largest);
    total += weights[p] * share.y;
  }
  for (var p = 0u; p < KEY_PARTS; p++) {
    weights[p] /= total;
  }
  return weights;
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
  if (first_row >= rows_of(head)) {
    leave_zeros(head, first_row, invocation);
    return;
  }
  let end_row = min(first_row + ROWS, rows_of(head));
  let first_token = state.position + row_of(head, first_row);
  let last_token = state.position + row_of(head, end_row - 1u);
  let first_block = first_position(first_token) / BLOCK;
  let last_block = last_token / BLOCK;

  let part = subgroup / ROW_SUBGROUPS;
  let own_keys = &key_tile[part];
  let own_values = &value_tile[part];
  let own_scores = &scores[subgroup];
  // Two invocations share a row and take turns, four scores each.
  let turn = lane % 2u;
  let local_row = subgroup % ROW_SUBGROUPS * EDGE + lane / 2u;
  let lane_scores = lane / 2u * SCORE_STRIDE + turn;
  // Rows past the last one that has the head on repeat it.
  let place = first_row + local_row;
  let position = state.position + row_of(head, min(place, end_row - 1u));

  var keys_0 = load_keys(rows, last_block, 0u * WORKGROUP + invocation);
  var values_0 = load_values(rows, last_block, 0u * WORKGROUP + invocation);
  var keys_1 = load_keys(rows, last_block, 1u * WORKGROUP + invocation);
  var values_1 = load_values(rows, last_block, 1u * WORKGROUP + invocation);
  let query_part_0 = query_part(head, place, 2u * 0u + turn);
  let query_part_1 = query_part(head, place, 2u * 1u + turn);
  let query_part_2 = query_part(head, place, 2u * 2u + turn);
  let query_part_3 = query_part(head, place, 2u * 3u + turn);
  store_keys(keys_0, 0u * WORKGROUP + invocation);
  store_keys(keys_1, 1u * WORKGROUP + invocation);
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores + 0u % 2u * 2u] = query_part_0;
  workgroupBarrier();
  let query_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 0u % 2u * 2u, SCORE_STRIDE);
  var sums_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores + 1u % 2u * 2u] = query_part_1;
  workgroupBarrier();
  let query_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 1u % 2u * 2u, SCORE_STRIDE);
  var sums_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores + 2u % 2u * 2u] = query_part_2;
  workgroupBarrier();
  let query_2 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 2u % 2u * 2u, SCORE_STRIDE);
  var sums_2: subgroup_matrix_result<f32, EDGE, EDGE>;
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores + 3u % 2u * 2u] = query_part_3;
  workgroupBarrier();
  let query_3 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 3u % 2u * 2u, SCORE_STRIDE);
  var sums_3: subgroup_matrix_result<f32, EDGE, EDGE>;
  // Blocks are on their way a turn of the loop before they are stored. Past the first one it is loaded again, and dropped.
  keys_0 = load_keys(rows, max(last_block, first_block + 1u) - 1u, 0u * WORKGROUP + invocation);
  keys_1 = load_keys(rows, max(last_block, first_block + 1u) - 1u, 1u * WORKGROUP + invocation);
  workgroupBarrier();
  if (!IN_PLACE) {
    // The first turn ends no block.
    own_scores[lane_scores + PROBABILITIES + 0u * EDGE / 4u] = vec4<u32>();
    own_scores[lane_scores + PROBABILITIES + 1u * EDGE / 4u] = vec4<u32>();
    workgroupBarrier();
  }

  var reference = FIRST_REFERENCE;
  var total = 0.0;
  var rescale = 1.0;
  var is_grown = 0u;
  // Each turn begins a block and ends the one behind it, which has probabilities.
  for (var left = last_block + 1u; true; left--) {
    let probabilities_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, PROBABILITIES + 0u * EDGE / 4u, SCORE_STRIDE);
    let probabilities_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, PROBABILITIES + 1u * EDGE / 4u, SCORE_STRIDE);
    if (is_grown == 1u) {
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_0, SCORE_STRIDE);
      workgroupBarrier();
      own_scores[lane_scores] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores]) * rescale);
      own_scores[lane_scores + 2u] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores + 2u]) * rescale);
      workgroupBarrier();
      sums_0 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(own_scores, 0u, SCORE_STRIDE);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_1, SCORE_STRIDE);
      workgroupBarrier();
      own_scores[lane_scores] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores]) * rescale);
      own_scores[lane_scores + 2u] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores + 2u]) * rescale);
      workgroupBarrier();
      sums_1 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(own_scores, 0u, SCORE_STRIDE);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_2, SCORE_STRIDE);
      workgroupBarrier();
      own_scores[lane_scores] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores]) * rescale);
      own_scores[lane_scores + 2u] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores + 2u]) * rescale);
      workgroupBarrier();
      sums_2 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(own_scores, 0u, SCORE_STRIDE);
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_3, SCORE_STRIDE);
      workgroupBarrier();
      own_scores[lane_scores] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores]) * rescale);
      own_scores[lane_scores + 2u] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores + 2u]) * rescale);
      workgroupBarrier();
      sums_3 = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(own_scores, 0u, SCORE_STRIDE);
      workgroupBarrier();
    }
    let block = max(left, first_block + 1u) - 1u;
    if (IN_PLACE) {
      if (left <= last_block) {
        sums_0 = subgroupMatrixMultiplyAccumulate(
          probabilities_0,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 0u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
          sums_0,
        );
        sums_1 = subgroupMatrixMultiplyAccumulate(
          probabilities_0,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 0u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
          sums_1,
        );
        sums_2 = subgroupMatrixMultiplyAccumulate(
          probabilities_0,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 0u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
          sums_2,
        );
        sums_3 = subgroupMatrixMultiplyAccumulate(
          probabilities_0,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 0u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
          sums_3,
        );
        sums_0 = subgroupMatrixMultiplyAccumulate(
          probabilities_1,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 1u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
          sums_0,
        );
        sums_1 = subgroupMatrixMultiplyAccumulate(
          probabilities_1,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 1u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
          sums_1,
        );
        sums_2 = subgroupMatrixMultiplyAccumulate(
          probabilities_1,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 1u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
          sums_2,
        );
        sums_3 = subgroupMatrixMultiplyAccumulate(
          probabilities_1,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, 1u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
          sums_3,
        );
      }
      if (left == first_block) {
        break;
      }
    } else {
      store_values(values_0, 0u * WORKGROUP + invocation);
      store_values(values_1, 1u * WORKGROUP + invocation);
      values_0 = load_values(rows, block, 0u * WORKGROUP + invocation);
      values_1 = load_values(rows, block, 1u * WORKGROUP + invocation);
    }
    var scores_0 = subgroup_matrix_result<f32, EDGE, EDGE>();
    var scores_1 = subgroup_matrix_result<f32, EDGE, EDGE>();
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 0u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
      scores_0,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_0,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 1u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
      scores_1,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 0u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
      scores_0,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_1,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 1u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
      scores_1,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_2,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 0u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
      scores_0,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_2,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 1u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
      scores_1,
    );
    scores_0 = subgroupMatrixMultiplyAccumulate(
      query_3,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 0u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
      scores_0,
    );
    scores_1 = subgroupMatrixMultiplyAccumulate(
      query_3,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 1u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
      scores_1,
    );
    if (IN_PLACE) {
      workgroupBarrier();
    }
    subgroupMatrixStore<row_major>(own_scores, 0u * EDGE / 4u, scores_0, SCORE_STRIDE);
    subgroupMatrixStore<row_major>(own_scores, 1u * EDGE / 4u, scores_1, SCORE_STRIDE);
    if (invocation == 0u) {
      grown = 0u;
    }
    workgroupBarrier();
    if (!IN_PLACE) {
      sums_0 = subgroupMatrixMultiplyAccumulate(
        probabilities_0,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 0u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
        sums_0,
      );
      sums_1 = subgroupMatrixMultiplyAccumulate(
        probabilities_0,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 0u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
        sums_1,
      );
      sums_2 = subgroupMatrixMultiplyAccumulate(
        probabilities_0,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 0u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
        sums_2,
      );
      sums_3 = subgroupMatrixMultiplyAccumulate(
        probabilities_0,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 0u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
        sums_3,
      );
      sums_0 = subgroupMatrixMultiplyAccumulate(
        probabilities_1,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 1u * EDGE * KEY_STRIDE + 0u * EDGE / 8u, KEY_STRIDE),
        sums_0,
      );
      sums_1 = subgroupMatrixMultiplyAccumulate(
        probabilities_1,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 1u * EDGE * KEY_STRIDE + 1u * EDGE / 8u, KEY_STRIDE),
        sums_1,
      );
      sums_2 = subgroupMatrixMultiplyAccumulate(
        probabilities_1,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 1u * EDGE * KEY_STRIDE + 2u * EDGE / 8u, KEY_STRIDE),
        sums_2,
      );
      sums_3 = subgroupMatrixMultiplyAccumulate(
        probabilities_1,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, 1u * EDGE * KEY_STRIDE + 3u * EDGE / 8u, KEY_STRIDE),
        sums_3,
      );
      if (left == first_block) {
        break;
      }
    }
    store_keys(keys_0, 0u * WORKGROUP + invocation);
    if (IN_PLACE) {
      store_values(values_0, 0u * WORKGROUP + invocation);
    }
    store_keys(keys_1, 1u * WORKGROUP + invocation);
    if (IN_PLACE) {
      store_values(values_1, 1u * WORKGROUP + invocation);
    }
    keys_0 = load_keys(rows, max(block, first_block + 2u) - 2u, 0u * WORKGROUP + invocation);
    if (IN_PLACE) {
      values_0 = load_values(rows, max(block, first_block + 1u) - 1u, 0u * WORKGROUP + invocation);
    }
    keys_1 = load_keys(rows, max(block, first_block + 2u) - 2u, 1u * WORKGROUP + invocation);
    if (IN_PLACE) {
      values_1 = load_values(rows, max(block, first_block + 1u) - 1u, 1u * WORKGROUP + invocation);
    }

    var low_0 = bitcast<vec4<f32>>(own_scores[lane_scores + 0u * EDGE / 4u]);
    var high_0 = bitcast<vec4<f32>>(own_scores[lane_scores + 0u * EDGE / 4u + 2u]);
    var low_1 = bitcast<vec4<f32>>(own_scores[lane_scores + 1u * EDGE / 4u]);
    var high_1 = bitcast<vec4<f32>>(own_scores[lane_scores + 1u * EDGE / 4u + 2u]);
    let first_key = block * BLOCK + part * PART;
    if (first_key + PART > first_token || first_key < first_position(last_token)) {
      low_0 = mask(low_0, first_key + 0u * EDGE + turn * 4u, position);
      high_0 = mask(high_0, first_key + 0u * EDGE + turn * 4u + 8u, position);
      low_1 = mask(low_1, first_key + 1u * EDGE + turn * 4u, position);
      high_1 = mask(high_1, first_key + 1u * EDGE + turn * 4u + 8u, position);
    }
    var largest = vec4<f32>(-1.0e30);
    largest = max(largest, max(low_0, high_0));
    largest = max(largest, max(low_1, high_1));
    var row_largest = max(max(largest.x, largest.y), max(largest.z, largest.w));
    row_largest = max(row_largest, subgroupShuffleXor(row_largest, 1u));
    let grows = row_largest > reference + SLACK;
    let new_reference = select(reference, row_largest, grows);
    rescale = exp2(reference - new_reference);
    reference = new_reference;
    // Sums are zero as long as the total is.
    if (grows && total > 0.0) {
      grown = 1u;
    }
    var row_total = vec4<f32>();
    low_0 = exp2(low_0 - vec4<f32>(reference));
    high_0 = exp2(high_0 - vec4<f32>(reference));
    row_total += low_0 + high_0;
    // Where they are in place, this invocation has read those scores itself.
    own_scores[lane_scores + PROBABILITIES + 0u * EDGE / 4u] = halves_of(low_0, high_0);
    low_1 = exp2(low_1 - vec4<f32>(reference));
    high_1 = exp2(high_1 - vec4<f32>(reference));
    row_total += low_1 + high_1;
    // Where they are in place, this invocation has read those scores itself.
    own_scores[lane_scores + PROBABILITIES + 1u * EDGE / 4u] = halves_of(low_1, high_1);
    total = total * rescale + (row_total.x + row_total.y) + (row_total.z + row_total.w);
    is_grown = workgroupUniformLoad(&grown);
  }

  total += subgroupShuffleXor(total, 1u);
  if (turn == 0u) {
    shares[part * ROWS + local_row] = vec2<f32>(reference, total);
  }
  workgroupBarrier();
  let weights = weights_of(local_row);
  let row = row_of(head, min(place, state.rows - 1u));
  subgroupMatrixStore<row_major>(own_scores, 0u % OUTPUT_PLACES * EDGE / 4u, sums_0, SCORE_STRIDE);
  workgroupBarrier();
  if (place < state.rows) {
    for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
      let at = lane / 2u * SCORE_STRIDE + 0u % OUTPUT_PLACES * EDGE / 4u + quad;
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        output += weights[p] * bitcast<vec4<f32>>(scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS][at]);
      }
      let to = 0u * EDGE / 4u + quad;
      out[(row * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row, head, to, output));
    }
  }
  if (OUTPUT_PLACES == 1u) {
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(own_scores, 1u % OUTPUT_PLACES * EDGE / 4u, sums_1, SCORE_STRIDE);
  workgroupBarrier();
  if (place < state.rows) {
    for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
      let at = lane / 2u * SCORE_STRIDE + 1u % OUTPUT_PLACES * EDGE / 4u + quad;
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        output += weights[p] * bitcast<vec4<f32>>(scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS][at]);
      }
      let to = 1u * EDGE / 4u + quad;
      out[(row * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row, head, to, output));
    }
  }
  if (OUTPUT_PLACES == 1u) {
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(own_scores, 2u % OUTPUT_PLACES * EDGE / 4u, sums_2, SCORE_STRIDE);
  workgroupBarrier();
  if (place < state.rows) {
    for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
      let at = lane / 2u * SCORE_STRIDE + 2u % OUTPUT_PLACES * EDGE / 4u + quad;
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        output += weights[p] * bitcast<vec4<f32>>(scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS][at]);
      }
      let to = 2u * EDGE / 4u + quad;
      out[(row * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row, head, to, output));
    }
  }
  if (OUTPUT_PLACES == 1u) {
    workgroupBarrier();
  }
  subgroupMatrixStore<row_major>(own_scores, 3u % OUTPUT_PLACES * EDGE / 4u, sums_3, SCORE_STRIDE);
  workgroupBarrier();
  if (place < state.rows) {
    for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
      let at = lane / 2u * SCORE_STRIDE + 3u % OUTPUT_PLACES * EDGE / 4u + quad;
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        output += weights[p] * bitcast<vec4<f32>>(scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS][at]);
      }
      let to = 3u * EDGE / 4u + quad;
      out[(row * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row, head, to, output));
    }
  }
  if (OUTPUT_PLACES == 1u) {
    workgroupBarrier();
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
  return gates[row * params.heads + head];
}

// Four components of a head's output.
fn output_of(row: u32, head: u32, quad: u32, attended: vec4<f32>) -> vec4<f32> {
  return gate_of(row, head) * with_left_out(attended, 1.0, left_out_of(head / params.group_size, quad));
}

// The row of the pass that a head takes as its i-th.
fn row_of(head: u32, i: u32) -> u32 {
  return head_rows[head * (state.rows + 1u) + 1u + i];
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
  return head_rows[head * (state.rows + 1u)];
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}
