enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const WORKGROUP: u32 = 128u;
const ROW_SUBGROUPS: u32 = 2u;
const ROW_FRAGMENTS: u32 = 2u;
const KEY_PARTS: u32 = 2u;
const EDGE: u32 = 16u;
const DIM_FRAGMENTS: u32 = 4u;
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
const params = Params(4u, 2u, 96u, 50u, 0.3606737554073334f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
@group(0) @binding(6) var<uniform> mean: array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>;
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
alias Output = vec4<f32>;

fn pack_output(value: vec4<f32>) -> Output {
  return value;
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
// when they start, and where some end at once those that compute may share a unit while others have none. Of either kind each head's longest
// start before each head's second ones, and so on, so that long tiles share a unit with short ones: an invocation looks among the nth of all heads.
fn tile_of(workgroup: vec3<u32>, tiles: u32, invocation: u32) -> Tile {
  return Tile(workgroup.x, (tiles - 1u - workgroup.z) * ROWS);
}
// The matrix variants of attention (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): a workgroup takes ROWS tokens of one head and goes
// through the keys in blocks, from the last to the first. ROW_SUBGROUPS subgroups share the tokens, ROW_FRAGMENTS · EDGE each; KEY_PARTS such
// sets share the keys of a block, EDGE each, and put their outputs together at the end. Queries and sums of the output stay in fragments; keys, values, scores and
// probabilities pass through workgroup memory. Blocks above the diagonal are never visited, and only parts of them on it, or at the edge
// of a window, are masked.
//
// What it takes is mostly waits, so many subgroups have to share a multiprocessor, whose workgroup memory is what they compete for:
// probabilities lie between the rows of scores, and are multiplied with their values while the next ones are made.
//
// Fragments cannot be scaled row by row, and to ask each time whether a row's largest score has grown costs a sixth of all. So probabilities
// are relative to a guess: the largest score among the row's first keys, which many heads look at most, and its last ones. As long as none of
// them is too large for a half, that is exact. Else the tile is done again, relative to more.


const SUBGROUP_ROWS: u32 = ROW_FRAGMENTS * EDGE;
const ROWS: u32 = ROW_SUBGROUPS * SUBGROUP_ROWS;
const HEAD_DIM: u32 = DIM_FRAGMENTS * EDGE;
const BLOCK: u32 = KEY_PARTS * EDGE;
// What a row has before its first guess: more than scores that it does not see.
const NO_REFERENCE: f32 = -1.0e20;
const LARGEST_HALF: f32 = 65504.0;
// Each attempt allows for scores that are larger by so much at least, which single precision holds as an exponent.
const MOST_GROWTH: f32 = 126.0;
const ATTEMPTS: u32 = 64u;
// Tiles of fewer blocks do not look at the first one before all others: that takes a turn.
const GUESSED_FROM: u32 = 16u;
// Loops up to a constant are known to end: others get a counter of Chromium's.
const ENDLESS: u32 = 0xffffffffu;
const HEAD_VEC4S: u32 = HEAD_DIM / 4u;
const HEAD_VEC8S: u32 = HEAD_DIM / 8u;
const CACHED_PER_HEAD: u32 = HEAD_VEC8S;
const BLOCK_VEC8S: u32 = BLOCK * HEAD_VEC8S;
// In 16 bytes. Rows are longer than they need be: neighbouring ones start in other banks.
const KEY_STRIDE: u32 = HEAD_VEC8S + 1u;
const PROBABILITIES: u32 = EDGE / 4u;
const SCORE_STRIDE: u32 = PROBABILITIES + EDGE / 8u;

// Halves by eights: fragments of rows that are known to start at 16 bytes load quicker. What one subgroup alone reads is an array of its
// own, so that the places of its fragments are constants, which need no checks at run time: see matrix-tiles.
alias KeyPart = array<vec4<u32>, EDGE * KEY_STRIDE>;
var<workgroup> key_tile: array<KeyPart, KEY_PARTS>;
var<workgroup> value_tile: array<KeyPart, KEY_PARTS>;
// Queries in halves at first; then scores in single precision, and probabilities in halves behind each row; sums of the output at last.
alias ScorePart = array<vec4<u32>, SUBGROUP_ROWS * SCORE_STRIDE>;
var<workgroup> scores: array<ScorePart, KEY_PARTS * ROW_SUBGROUPS>;
// The last attempt whose probabilities did not fit.
var<workgroup> failed: u32;
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

// Eight components of the keys, of the values of a block. Of rows behind the context or before it, what is there: it is multiplied with zero,
// or dropped.
fn load_keys(rows: CachedRows, block: u32, at: u32) -> vec4<u32> {
  return cached_key(rows, block * BLOCK + at / HEAD_VEC8S, at % HEAD_VEC8S);
}

fn load_values(rows: CachedRows, block: u32, at: u32) -> vec4<u32> {
  return cached_value(rows, block * BLOCK + at / HEAD_VEC8S, at % HEAD_VEC8S);
}

fn store_keys(keys: vec4<u32>, at: u32) {
  let key = at / HEAD_VEC8S;
  key_tile[key / EDGE][key % EDGE * KEY_STRIDE + at % HEAD_VEC8S] = keys;
}

// Values lie in the order of the probabilities: of sixteen, the third four come before the second.
fn store_values(values: vec4<u32>, at: u32) {
  let key = at / HEAD_VEC8S;
  let row = (key & 3u) | ((key & 4u) << 1u) | ((key & 8u) >> 1u);
  value_tile[key / EDGE][row * KEY_STRIDE + at % HEAD_VEC8S] = values;
}

// What the sums by each part of the keys count in a row's output.
fn weights_of(row: u32) -> array<f32, KEY_PARTS> {
  var largest = NO_REFERENCE;
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
  let tile = tile_of(workgroup, workgroups.z, invocation);
  let head = tile.head;
  let first_row = tile.first_row;
  let rows = cached_rows(head / params.group_size);
  let end_row = min(first_row + ROWS, rows_of(head));
  let first_token = state.position + row_of(head, first_row);
  let last_token = state.position + row_of(head, end_row - 1u);
  let first_block = first_position(first_token) / BLOCK;
  let last_block = last_token / BLOCK;
  let guesses = select(0u, 1u, last_block - first_block >= GUESSED_FROM);
  let turns = last_block - first_block + 1u + guesses;

  let part = subgroup / ROW_SUBGROUPS;
  let own_keys = &key_tile[part];
  let own_values = &value_tile[part];
  let own_scores = &scores[subgroup];
  // Two invocations share a row of a fragment and take turns, four scores each.
  let turn = lane % 2u;
  let local_row_0 = subgroup % ROW_SUBGROUPS * SUBGROUP_ROWS + 0u * EDGE + lane / 2u;
  let lane_scores_0 = (0u * EDGE + lane / 2u) * SCORE_STRIDE + turn;
  // Rows past the last one that has the head on repeat it.
  let place_0 = first_row + local_row_0;
  let position_0 = state.position + row_of(head, min(place_0, end_row - 1u));
  // The row's last block that it sees keys of this part in; none for its first keys.
  let last_seen_0 = (position_0 - part * EDGE) / BLOCK;
  let local_row_1 = subgroup % ROW_SUBGROUPS * SUBGROUP_ROWS + 1u * EDGE + lane / 2u;
  let lane_scores_1 = (1u * EDGE + lane / 2u) * SCORE_STRIDE + turn;
  // Rows past the last one that has the head on repeat it.
  let place_1 = first_row + local_row_1;
  let position_1 = state.position + row_of(head, min(place_1, end_row - 1u));
  // The row's last block that it sees keys of this part in; none for its first keys.
  let last_seen_1 = (position_1 - part * EDGE) / BLOCK;
  // Where there are more invocations than parts of a block, the first ones bring keys and the last ones values.
  let key_at_0 = 0u * WORKGROUP + invocation;
  let value_at_0 = 0u * WORKGROUP + (invocation + BLOCK_VEC8S) % WORKGROUP;
  let has_key_0 = (0u + 1u) * WORKGROUP <= BLOCK_VEC8S || key_at_0 < BLOCK_VEC8S;
  let has_value_0 = (0u + 1u) * WORKGROUP <= BLOCK_VEC8S || value_at_0 < BLOCK_VEC8S;
  var keys_0: vec4<u32>;
  var values_0: vec4<u32>;
  let key_at_1 = 1u * WORKGROUP + invocation;
  let value_at_1 = 1u * WORKGROUP + (invocation + BLOCK_VEC8S) % WORKGROUP;
  let has_key_1 = (1u + 1u) * WORKGROUP <= BLOCK_VEC8S || key_at_1 < BLOCK_VEC8S;
  let has_value_1 = (1u + 1u) * WORKGROUP <= BLOCK_VEC8S || value_at_1 < BLOCK_VEC8S;
  var keys_1: vec4<u32>;
  var values_1: vec4<u32>;

  let query_part_0_0 = query_part(head, place_0, 2u * 0u + turn);
  var sums_0_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_0_1 = query_part(head, place_0, 2u * 1u + turn);
  var sums_0_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_0_2 = query_part(head, place_0, 2u * 2u + turn);
  var sums_0_2: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_0_3 = query_part(head, place_0, 2u * 3u + turn);
  var sums_0_3: subgroup_matrix_result<f32, EDGE, EDGE>;
  var reference_0 = NO_REFERENCE;
  var total_0: f32;
  let query_part_1_0 = query_part(head, place_1, 2u * 0u + turn);
  var sums_1_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_1_1 = query_part(head, place_1, 2u * 1u + turn);
  var sums_1_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_1_2 = query_part(head, place_1, 2u * 2u + turn);
  var sums_1_2: subgroup_matrix_result<f32, EDGE, EDGE>;
  let query_part_1_3 = query_part(head, place_1, 2u * 3u + turn);
  var sums_1_3: subgroup_matrix_result<f32, EDGE, EDGE>;
  var reference_1 = NO_REFERENCE;
  var total_1: f32;
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores_0 + 0u % 2u * 2u] = query_part_0_0;
  own_scores[lane_scores_1 + 0u % 2u * 2u] = query_part_1_0;
  workgroupBarrier();
  let query_0_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 0u * EDGE * SCORE_STRIDE + 0u % 2u * 2u, SCORE_STRIDE);
  let query_1_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 1u * EDGE * SCORE_STRIDE + 0u % 2u * 2u, SCORE_STRIDE);
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores_0 + 1u % 2u * 2u] = query_part_0_1;
  own_scores[lane_scores_1 + 1u % 2u * 2u] = query_part_1_1;
  workgroupBarrier();
  let query_0_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 0u * EDGE * SCORE_STRIDE + 1u % 2u * 2u, SCORE_STRIDE);
  let query_1_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 1u * EDGE * SCORE_STRIDE + 1u % 2u * 2u, SCORE_STRIDE);
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores_0 + 2u % 2u * 2u] = query_part_0_2;
  own_scores[lane_scores_1 + 2u % 2u * 2u] = query_part_1_2;
  workgroupBarrier();
  let query_0_2 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 0u * EDGE * SCORE_STRIDE + 2u % 2u * 2u, SCORE_STRIDE);
  let query_1_2 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 1u * EDGE * SCORE_STRIDE + 2u % 2u * 2u, SCORE_STRIDE);
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores_0 + 3u % 2u * 2u] = query_part_0_3;
  own_scores[lane_scores_1 + 3u % 2u * 2u] = query_part_1_3;
  workgroupBarrier();
  let query_0_3 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 0u * EDGE * SCORE_STRIDE + 3u % 2u * 2u, SCORE_STRIDE);
  let query_1_3 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, 1u * EDGE * SCORE_STRIDE + 3u % 2u * 2u, SCORE_STRIDE);

  for (var attempt = 1u; attempt <= ATTEMPTS; attempt++) {
    // Blocks are on their way a turn of the loop before they are stored.
    if (has_key_0) {
      store_keys(load_keys(rows, select(last_block, first_block, guesses == 1u), key_at_0), key_at_0);
      keys_0 = load_keys(rows, last_block + guesses - 1u, key_at_0);
    }
    if (has_key_1) {
      store_keys(load_keys(rows, select(last_block, first_block, guesses == 1u), key_at_1), key_at_1);
      keys_1 = load_keys(rows, last_block + guesses - 1u, key_at_1);
    }
    // Of those of a turn.
    var largest_sum_0 = 0.0;
    sums_0_0 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_0_1 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_0_2 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_0_3 = subgroup_matrix_result<f32, EDGE, EDGE>();
    total_0 = 0.0;
    // The first turn ends no block.
    own_scores[lane_scores_0 + PROBABILITIES] = vec4<u32>();
    // Of those of a turn.
    var largest_sum_1 = 0.0;
    sums_1_0 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_1_1 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_1_2 = subgroup_matrix_result<f32, EDGE, EDGE>();
    sums_1_3 = subgroup_matrix_result<f32, EDGE, EDGE>();
    total_1 = 0.0;
    // The first turn ends no block.
    own_scores[lane_scores_1 + PROBABILITIES] = vec4<u32>();
    workgroupBarrier();
    // Each turn begins a block and ends the one behind it, which has probabilities.
    for (var done = 0u; done < ENDLESS; done++) {
      if (done == turns) {
        break;
      }
      let is_guess = done < guesses;
      let block = select(last_block + guesses - done, first_block, is_guess);
      let probabilities_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        own_scores, 0u * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
      let probabilities_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        own_scores, 1u * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
      if (has_value_0) {
        store_values(values_0, value_at_0);
        values_0 = load_values(rows, block, value_at_0);
      }
      if (has_value_1) {
        store_values(values_1, value_at_1);
        values_1 = load_values(rows, block, value_at_1);
      }
      var products_0 = subgroup_matrix_result<f32, EDGE, EDGE>();
      var products_1 = subgroup_matrix_result<f32, EDGE, EDGE>();
      let keys_of_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 0u * EDGE / 8u, KEY_STRIDE);
      products_0 = subgroupMatrixMultiplyAccumulate(query_0_0, keys_of_0, products_0);
      products_1 = subgroupMatrixMultiplyAccumulate(query_1_0, keys_of_0, products_1);
      let keys_of_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 1u * EDGE / 8u, KEY_STRIDE);
      products_0 = subgroupMatrixMultiplyAccumulate(query_0_1, keys_of_1, products_0);
      products_1 = subgroupMatrixMultiplyAccumulate(query_1_1, keys_of_1, products_1);
      let keys_of_2 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 2u * EDGE / 8u, KEY_STRIDE);
      products_0 = subgroupMatrixMultiplyAccumulate(query_0_2, keys_of_2, products_0);
      products_1 = subgroupMatrixMultiplyAccumulate(query_1_2, keys_of_2, products_1);
      let keys_of_3 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, 3u * EDGE / 8u, KEY_STRIDE);
      products_0 = subgroupMatrixMultiplyAccumulate(query_0_3, keys_of_3, products_0);
      products_1 = subgroupMatrixMultiplyAccumulate(query_1_3, keys_of_3, products_1);
      subgroupMatrixStore<row_major>(own_scores, 0u * EDGE * SCORE_STRIDE, products_0, SCORE_STRIDE);
      subgroupMatrixStore<row_major>(own_scores, 1u * EDGE * SCORE_STRIDE, products_1, SCORE_STRIDE);
      workgroupBarrier();
      let values_of_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        own_values, 0u * EDGE / 8u, KEY_STRIDE);
      sums_0_0 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_0, sums_0_0);
      sums_1_0 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_0, sums_1_0);
      let values_of_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        own_values, 1u * EDGE / 8u, KEY_STRIDE);
      sums_0_1 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_1, sums_0_1);
      sums_1_1 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_1, sums_1_1);
      let values_of_2 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        own_values, 2u * EDGE / 8u, KEY_STRIDE);
      sums_0_2 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_2, sums_0_2);
      sums_1_2 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_2, sums_1_2);
      let values_of_3 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        own_values, 3u * EDGE / 8u, KEY_STRIDE);
      sums_0_3 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_3, sums_0_3);
      sums_1_3 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_3, sums_1_3);
      if (has_key_0) {
        store_keys(keys_0, key_at_0);
        keys_0 = load_keys(rows, last_block + guesses - done - 2u, key_at_0);
      }
      if (has_key_1) {
        store_keys(keys_1, key_at_1);
        keys_1 = load_keys(rows, last_block + guesses - done - 2u, key_at_1);
      }

      var low_0 = bitcast<vec4<f32>>(own_scores[lane_scores_0]);
      var high_0 = bitcast<vec4<f32>>(own_scores[lane_scores_0 + 2u]);
      var low_1 = bitcast<vec4<f32>>(own_scores[lane_scores_1]);
      var high_1 = bitcast<vec4<f32>>(own_scores[lane_scores_1 + 2u]);
      let is_at_end = (block + KEY_PARTS) * BLOCK > first_token;
      if (is_guess || is_at_end || block * BLOCK < first_position(last_token)) {
        let first_key = block * BLOCK + part * EDGE + turn * 4u;
        low_0 = mask(low_0, first_key, position_0);
        high_0 = mask(high_0, first_key + 8u, position_0);
        let four_0 = max(low_0, high_0);
        let two_0 = max(four_0.xy, four_0.zw);
        let own_largest_0 = max(two_0.x, two_0.y);
        let largest_0 = max(own_largest_0, subgroupShuffleXor(own_largest_0, 1u));
        if (is_guess || block == last_seen_0) {
          reference_0 = max(reference_0, largest_0);
        }
        if (is_guess) {
          // It comes again.
          low_0 = vec4<f32>(-1.0e30);
          high_0 = low_0;
        }
        low_1 = mask(low_1, first_key, position_1);
        high_1 = mask(high_1, first_key + 8u, position_1);
        let four_1 = max(low_1, high_1);
        let two_1 = max(four_1.xy, four_1.zw);
        let own_largest_1 = max(two_1.x, two_1.y);
        let largest_1 = max(own_largest_1, subgroupShuffleXor(own_largest_1, 1u));
        if (is_guess || block == last_seen_1) {
          reference_1 = max(reference_1, largest_1);
        }
        if (is_guess) {
          // It comes again.
          low_1 = vec4<f32>(-1.0e30);
          high_1 = low_1;
        }
      }
      low_0 = exp2(low_0 - vec4<f32>(reference_0));
      high_0 = exp2(high_0 - vec4<f32>(reference_0));
      own_scores[lane_scores_0 + PROBABILITIES] = halves_of(low_0, high_0);
      let pairs_0 = low_0 + high_0;
      let sum_0 = (pairs_0.x + pairs_0.y) + (pairs_0.z + pairs_0.w);
      total_0 += sum_0;
      largest_sum_0 = max(largest_sum_0, sum_0);
      low_1 = exp2(low_1 - vec4<f32>(reference_1));
      high_1 = exp2(high_1 - vec4<f32>(reference_1));
      own_scores[lane_scores_1 + PROBABILITIES] = halves_of(low_1, high_1);
      let pairs_1 = low_1 + high_1;
      let sum_1 = (pairs_1.x + pairs_1.y) + (pairs_1.z + pairs_1.w);
      total_1 += sum_1;
      largest_sum_1 = max(largest_sum_1, sum_1);
      workgroupBarrier();
    }
    if (has_value_0) {
      store_values(values_0, value_at_0);
    }
    if (has_value_1) {
      store_values(values_1, value_at_1);
    }
    let probabilities_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, 0u * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
    let probabilities_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, 1u * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
    workgroupBarrier();
    let values_of_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
      own_values, 0u * EDGE / 8u, KEY_STRIDE);
    sums_0_0 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_0, sums_0_0);
    sums_1_0 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_0, sums_1_0);
    let values_of_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
      own_values, 1u * EDGE / 8u, KEY_STRIDE);
    sums_0_1 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_1, sums_0_1);
    sums_1_1 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_1, sums_1_1);
    let values_of_2 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
      own_values, 2u * EDGE / 8u, KEY_STRIDE);
    sums_0_2 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_2, sums_0_2);
    sums_1_2 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_2, sums_1_2);
    let values_of_3 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
      own_values, 3u * EDGE / 8u, KEY_STRIDE);
    sums_0_3 = subgroupMatrixMultiplyAccumulate(probabilities_0, values_of_3, sums_0_3);
    sums_1_3 = subgroupMatrixMultiplyAccumulate(probabilities_1, values_of_3, sums_1_3);
    if (largest_sum_0 > LARGEST_HALF) {
      failed = attempt;
    }
    if (largest_sum_1 > LARGEST_HALF) {
      failed = attempt;
    }
    if (workgroupUniformLoad(&failed) != attempt) {
      break;
    }
    largest_sum_0 = max(largest_sum_0, subgroupShuffleXor(largest_sum_0, 1u));
    if (largest_sum_0 > LARGEST_HALF) {
      reference_0 += min(log2(largest_sum_0), MOST_GROWTH);
    }
    largest_sum_1 = max(largest_sum_1, subgroupShuffleXor(largest_sum_1, 1u));
    if (largest_sum_1 > LARGEST_HALF) {
      reference_1 += min(log2(largest_sum_1), MOST_GROWTH);
    }
  }

  total_0 += subgroupShuffleXor(total_0, 1u);
  if (turn == 0u) {
    shares[part * ROWS + local_row_0] = vec2<f32>(reference_0, total_0);
  }
  total_1 += subgroupShuffleXor(total_1, 1u);
  if (turn == 0u) {
    shares[part * ROWS + local_row_1] = vec2<f32>(reference_1, total_1);
  }
  workgroupBarrier();
  let weights_0 = weights_of(local_row_0);
  let row_0 = row_of(head, min(place_0, state.rows - 1u));
  let weights_1 = weights_of(local_row_1);
  let row_1 = row_of(head, min(place_1, state.rows - 1u));
  subgroupMatrixStore<row_major>(own_scores, 0u * EDGE * SCORE_STRIDE, sums_0_0, SCORE_STRIDE);
  subgroupMatrixStore<row_major>(own_scores, 1u * EDGE * SCORE_STRIDE, sums_1_0, SCORE_STRIDE);
  workgroupBarrier();
  for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
    let to = 0u * EDGE / 4u + quad;
    if (place_0 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_0[p] * bitcast<vec4<f32>>(of_part[lane_scores_0 - turn + quad]);
      }
      out[(row_0 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_0, head, to, output));
    }
    if (place_1 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_1[p] * bitcast<vec4<f32>>(of_part[lane_scores_1 - turn + quad]);
      }
      out[(row_1 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_1, head, to, output));
    }
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u * EDGE * SCORE_STRIDE, sums_0_1, SCORE_STRIDE);
  subgroupMatrixStore<row_major>(own_scores, 1u * EDGE * SCORE_STRIDE, sums_1_1, SCORE_STRIDE);
  workgroupBarrier();
  for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
    let to = 1u * EDGE / 4u + quad;
    if (place_0 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_0[p] * bitcast<vec4<f32>>(of_part[lane_scores_0 - turn + quad]);
      }
      out[(row_0 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_0, head, to, output));
    }
    if (place_1 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_1[p] * bitcast<vec4<f32>>(of_part[lane_scores_1 - turn + quad]);
      }
      out[(row_1 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_1, head, to, output));
    }
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u * EDGE * SCORE_STRIDE, sums_0_2, SCORE_STRIDE);
  subgroupMatrixStore<row_major>(own_scores, 1u * EDGE * SCORE_STRIDE, sums_1_2, SCORE_STRIDE);
  workgroupBarrier();
  for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
    let to = 2u * EDGE / 4u + quad;
    if (place_0 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_0[p] * bitcast<vec4<f32>>(of_part[lane_scores_0 - turn + quad]);
      }
      out[(row_0 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_0, head, to, output));
    }
    if (place_1 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_1[p] * bitcast<vec4<f32>>(of_part[lane_scores_1 - turn + quad]);
      }
      out[(row_1 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_1, head, to, output));
    }
  }
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u * EDGE * SCORE_STRIDE, sums_0_3, SCORE_STRIDE);
  subgroupMatrixStore<row_major>(own_scores, 1u * EDGE * SCORE_STRIDE, sums_1_3, SCORE_STRIDE);
  workgroupBarrier();
  for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
    let to = 3u * EDGE / 4u + quad;
    if (place_0 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_0[p] * bitcast<vec4<f32>>(of_part[lane_scores_0 - turn + quad]);
      }
      out[(row_0 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_0, head, to, output));
    }
    if (place_1 < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_1[p] * bitcast<vec4<f32>>(of_part[lane_scores_1 - turn + quad]);
      }
      out[(row_1 * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_1, head, to, output));
    }
  }
  workgroupBarrier();
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
