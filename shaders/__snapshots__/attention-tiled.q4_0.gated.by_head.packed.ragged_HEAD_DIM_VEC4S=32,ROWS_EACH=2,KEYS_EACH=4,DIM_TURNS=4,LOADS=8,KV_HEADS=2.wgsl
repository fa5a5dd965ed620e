const HEAD_DIM_VEC4S: u32 = 32u;
const ROWS_EACH: u32 = 2u;
const KEYS_EACH: u32 = 4u;
const DIM_TURNS: u32 = 4u;
const LOADS: u32 = 8u;
const KV_HEADS: u32 = 2u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(4u, 2u, 52u, 0u, 0.3606737554073334f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read> kv_scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<Output>;
@group(0) @binding(6) var<storage, read> gates: array<f32>;
@group(0) @binding(7) var<storage, read> head_rows: array<u32>;
@group(0) @binding(8) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
@group(0) @binding(9) var<uniform> mean: array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>;
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
// Eight numbers of a block of 32, half bytes that stand for −8 to 7, in the order of lib/unpack-words. Scales as in lib/numbers-q8_0.
alias Cached = u32;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return select(low_nibbles_less(cached, 8.0), high_nibbles_less(cached, 8.0), half == 1u);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return largest / -8.0;
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  let low = vec4<u32>(min(a + 8.5, vec4<f32>(15.5)));
  let high = vec4<u32>(min(b + 8.5, vec4<f32>(15.5)));
  return dot(low, vec4<u32>(1u, 0x10000u, 0x10u, 0x100000u)) | dot(high, vec4<u32>(0x100u, 0x1000000u, 0x1000u, 0x10000000u));
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Caches of q4_0: numbers in blocks that share a scale. A Stored is what four of them stand for.
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

const CACHED_COMPONENTS: u32 = 4u;
// Units of a packed block.
const BLOCK_UNITS: u32 = 32u / CACHED_COMPONENTS;


struct CachedRows {
  first_key: u32,
  key_width: u32,
  first_value: u32,
  value_width: u32,
  first_block: u32,
  blocks: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  let widths = head_widths[kv_head];
  return CachedRows(
    widths.first_key / CACHED_COMPONENTS * params.context_length, widths.key / CACHED_COMPONENTS,
    widths.first_value / CACHED_COMPONENTS * params.context_length, widths.value / CACHED_COMPONENTS,
    widths.first_block * params.context_length, widths.blocks,
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
  return rows.first_block + position * rows.blocks + min(i / BLOCK_UNITS, rows.blocks - 1u);
}

// Of the block that a unit of a key and of its value are in.
fn cached_scales(rows: CachedRows, position: u32, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[block_at(rows, position, i)]);
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).x * numbers_of(k_cache[key_at(rows, position, i) / 2u], i % 2u);
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).y * numbers_of(v_cache[value_at(rows, position, i) / 2u], i % 2u);
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
  for (var nth = invocation; nth < tiles; nth += WORKGROUP) {
    look_for_tile(workgroup.z * params.heads + workgroup.x, nth, tiles);
  }
  return kept_tile();
}

// Tiles with tokens that have the head on.
fn tiles_on(head: u32) -> u32 {
  return (rows_of(head) + ROWS - 1u) / ROWS;
}

// Keeps the tile that starts behind `before` others, if it is the nth of a head. `left` and `left_off` are what remains of these behind tiles
// that are earlier for sure; below zero they come to none any more.
fn look_for_tile(before: u32, nth: u32, tiles: u32) {
  var left = before;
  var left_off = before;
  for (var head = 0u; head < params.heads; head++) {
    let on = tiles_on(head);
    left -= min(on, nth);
    left_off -= on + min(tiles - on, nth);
  }
  for (var head = 0u; head < params.heads; head++) {
    let on = tiles_on(head);
    if (nth < on) {
      if (left == 0u) {
        keep_tile(Tile(head, (on - 1u - nth) * ROWS));
      }
      left--;
    }
    if (nth < tiles - on) {
      if (left_off == 0u) {
        keep_tile(Tile(head, (on + nth) * ROWS));
      }
      left_off--;
    }
  }
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
// The variant of attention for passes on GPUs without subgroup matrices (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): ROW_SETS × KEY_SETS
// invocations take ROWS tokens of one head and go through the keys in blocks. Queries and a block of keys, then of values, lie in
// workgroup memory; an invocation makes the scores of ROWS_EACH tokens and four keys, and of the output as many tokens and DIM_TURNS
// vectors. The next keys and values are on their way meanwhile.


const ROW_SETS: u32 = 16u;
const KEY_SETS: u32 = 8u;
const WORKGROUP: u32 = ROW_SETS * KEY_SETS;
const ROWS: u32 = ROW_SETS * ROWS_EACH;
// Four keys a set.
const BLOCK: u32 = 4u * KEY_SETS;
const HEAD_VEC4S: u32 = HEAD_DIM_VEC4S;

var<workgroup> query_tile: array<vec4<f32>, ROWS * HEAD_VEC4S>;
// Keys, then values.
var<workgroup> cached_tile: array<vec4<f32>, BLOCK * HEAD_VEC4S>;
// Scores, then probabilities, of four keys.
var<workgroup> probabilities: array<vec4<f32>, ROWS * KEY_SETS>;

// All of the workgroup memory that every adapter has is taken: in a place of numbers that come later.
fn keep_tile(tile: Tile) {
  probabilities[0] = vec4<f32>(f32(tile.head), f32(tile.first_row), 0.0, 0.0);
}

fn kept_tile() -> Tile {
  let kept = workgroupUniformLoad(&probabilities[0]);
  return Tile(u32(kept.x), u32(kept.y));
}

// Rows of tiles are as long as all banks: sets that read the same vector of theirs find it in different places.
fn place_of(row: u32, vector: u32, of_set: u32) -> u32 {
  return row * HEAD_VEC4S + (vector ^ (of_set % KEY_SETS));
}

fn bring_queries(head: u32, first_row: u32, invocation: u32) {
  for (var i = invocation; i < ROWS * HEAD_VEC4S; i += WORKGROUP) {
    let row = i / HEAD_VEC4S;
    let from_row = row_of(head, min(first_row + row, rows_of(head) - 1u));
    query_tile[place_of(row, i % HEAD_VEC4S, row)] =
      queries[(from_row * params.heads + head) * HEAD_VEC4S + i % HEAD_VEC4S] * params.scale_log2e;
  }
}

fn position_of(first_key: u32, at: u32) -> u32 {
  return min(first_key + at / HEAD_VEC4S, params.context_length - 1u);
}

fn load_key(rows: CachedRows, first_key: u32, at: u32) -> vec4<f32> {
  return unpack_stored(cached_key(rows, position_of(first_key, at), at % HEAD_VEC4S));
}

fn load_value(rows: CachedRows, first_key: u32, at: u32) -> vec4<f32> {
  return unpack_stored(cached_value(rows, position_of(first_key, at), at % HEAD_VEC4S));
}

// The four keys of a set are neighbours.
fn store_key(at: u32, key: vec4<f32>) {
  let row = at / HEAD_VEC4S;
  cached_tile[place_of(row, at % HEAD_VEC4S, row / 4u)] = key;
}

fn largest_of(v: vec4<f32>) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}

fn sum_of(v: vec4<f32>) -> f32 {
  return (v.x + v.y) + (v.z + v.w);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let tile = tile_of(workgroup, workgroups.z, invocation);
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
  let end_block = last_token / BLOCK + 1u;
  let row_set = invocation / KEY_SETS;
  let key_set = invocation % KEY_SETS;

  bring_queries(head, first_row, invocation);
  let row_0 = 0u * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_0 = state.position + row_of(head, min(first_row + row_0, end_row - 1u));
  var largest_0 = -1.0e30;
  var total_0 = 0.0;
  var output_0_0 = vec4<f32>();
  var output_0_1 = vec4<f32>();
  var output_0_2 = vec4<f32>();
  var output_0_3 = vec4<f32>();
  let row_1 = 1u * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_1 = state.position + row_of(head, min(first_row + row_1, end_row - 1u));
  var largest_1 = -1.0e30;
  var total_1 = 0.0;
  var output_1_0 = vec4<f32>();
  var output_1_1 = vec4<f32>();
  var output_1_2 = vec4<f32>();
  var output_1_3 = vec4<f32>();
  var key_0 = load_key(rows, first_block * BLOCK, 0u * WORKGROUP + invocation);
  var key_1 = load_key(rows, first_block * BLOCK, 1u * WORKGROUP + invocation);
  var key_2 = load_key(rows, first_block * BLOCK, 2u * WORKGROUP + invocation);
  var key_3 = load_key(rows, first_block * BLOCK, 3u * WORKGROUP + invocation);
  var key_4 = load_key(rows, first_block * BLOCK, 4u * WORKGROUP + invocation);
  var key_5 = load_key(rows, first_block * BLOCK, 5u * WORKGROUP + invocation);
  var key_6 = load_key(rows, first_block * BLOCK, 6u * WORKGROUP + invocation);
  var key_7 = load_key(rows, first_block * BLOCK, 7u * WORKGROUP + invocation);

  for (var block = first_block; block < end_block; block++) {
    let first_key = block * BLOCK;
    workgroupBarrier();
    store_key(0u * WORKGROUP + invocation, key_0);
    let value_0 = load_value(rows, first_key, 0u * WORKGROUP + invocation);
    store_key(1u * WORKGROUP + invocation, key_1);
    let value_1 = load_value(rows, first_key, 1u * WORKGROUP + invocation);
    store_key(2u * WORKGROUP + invocation, key_2);
    let value_2 = load_value(rows, first_key, 2u * WORKGROUP + invocation);
    store_key(3u * WORKGROUP + invocation, key_3);
    let value_3 = load_value(rows, first_key, 3u * WORKGROUP + invocation);
    store_key(4u * WORKGROUP + invocation, key_4);
    let value_4 = load_value(rows, first_key, 4u * WORKGROUP + invocation);
    store_key(5u * WORKGROUP + invocation, key_5);
    let value_5 = load_value(rows, first_key, 5u * WORKGROUP + invocation);
    store_key(6u * WORKGROUP + invocation, key_6);
    let value_6 = load_value(rows, first_key, 6u * WORKGROUP + invocation);
    store_key(7u * WORKGROUP + invocation, key_7);
    let value_7 = load_value(rows, first_key, 7u * WORKGROUP + invocation);
    workgroupBarrier();
    var scores_0 = vec4<f32>();
    var scores_1 = vec4<f32>();
    for (var i = 0u; i < HEAD_VEC4S; i++) {
      let a = cached_tile[place_of(4u * key_set, i, key_set)];
      let b = cached_tile[place_of(4u * key_set + 1u, i, key_set)];
      let c = cached_tile[place_of(4u * key_set + 2u, i, key_set)];
      let d = cached_tile[place_of(4u * key_set + 3u, i, key_set)];
      let query_0 = query_tile[place_of(row_0, i, row_set)];
      scores_0 += vec4<f32>(dot(query_0, a), dot(query_0, b), dot(query_0, c), dot(query_0, d));
      let query_1 = query_tile[place_of(row_1, i, row_set)];
      scores_1 += vec4<f32>(dot(query_1, a), dot(query_1, b), dot(query_1, c), dot(query_1, d));
    }
    if (first_key + BLOCK > first_token || first_key < first_position(last_token)) {
      scores_0 = mask(scores_0, first_key + 4u * key_set, position_0);
      scores_1 = mask(scores_1, first_key + 4u * key_set, position_1);
    }
    probabilities[row_0 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_0;
    probabilities[row_1 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_1;
    workgroupBarrier();
    var row_largest_0 = probabilities[row_0 * KEY_SETS];
    for (var i = 1u; i < KEY_SETS; i++) {
      row_largest_0 = max(row_largest_0, probabilities[row_0 * KEY_SETS + i]);
    }
    let new_largest_0 = max(largest_0, largest_of(row_largest_0));
    let rescale_0 = exp2(largest_0 - new_largest_0);
    largest_0 = new_largest_0;
    scores_0 = exp2(scores_0 - vec4<f32>(new_largest_0));
    total_0 = total_0 * rescale_0 + sum_of(scores_0);
    output_0_0 *= rescale_0;
    output_0_1 *= rescale_0;
    output_0_2 *= rescale_0;
    output_0_3 *= rescale_0;
    var row_largest_1 = probabilities[row_1 * KEY_SETS];
    for (var i = 1u; i < KEY_SETS; i++) {
      row_largest_1 = max(row_largest_1, probabilities[row_1 * KEY_SETS + i]);
    }
    let new_largest_1 = max(largest_1, largest_of(row_largest_1));
    let rescale_1 = exp2(largest_1 - new_largest_1);
    largest_1 = new_largest_1;
    scores_1 = exp2(scores_1 - vec4<f32>(new_largest_1));
    total_1 = total_1 * rescale_1 + sum_of(scores_1);
    output_1_0 *= rescale_1;
    output_1_1 *= rescale_1;
    output_1_2 *= rescale_1;
    output_1_3 *= rescale_1;
    // Keys and scores have been read by all.
    workgroupBarrier();
    probabilities[row_0 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_0;
    probabilities[row_1 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_1;
    cached_tile[0u * WORKGROUP + invocation] = value_0;
    cached_tile[1u * WORKGROUP + invocation] = value_1;
    cached_tile[2u * WORKGROUP + invocation] = value_2;
    cached_tile[3u * WORKGROUP + invocation] = value_3;
    cached_tile[4u * WORKGROUP + invocation] = value_4;
    cached_tile[5u * WORKGROUP + invocation] = value_5;
    cached_tile[6u * WORKGROUP + invocation] = value_6;
    cached_tile[7u * WORKGROUP + invocation] = value_7;
    workgroupBarrier();
    // The last block brings its own keys again, and drops them.
    let next_key = min(block + 1u, end_block - 1u) * BLOCK;
    key_0 = load_key(rows, next_key, 0u * WORKGROUP + invocation);
    key_1 = load_key(rows, next_key, 1u * WORKGROUP + invocation);
    key_2 = load_key(rows, next_key, 2u * WORKGROUP + invocation);
    key_3 = load_key(rows, next_key, 3u * WORKGROUP + invocation);
    key_4 = load_key(rows, next_key, 4u * WORKGROUP + invocation);
    key_5 = load_key(rows, next_key, 5u * WORKGROUP + invocation);
    key_6 = load_key(rows, next_key, 6u * WORKGROUP + invocation);
    key_7 = load_key(rows, next_key, 7u * WORKGROUP + invocation);
    for (var i = 0u; i < KEY_SETS; i++) {
      let probability_0 = probabilities[row_0 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      let probability_1 = probabilities[row_1 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      {
        let value_0 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[0u] * value_0;
        output_1_0 += probability_1[0u] * value_0;
        let value_1 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[0u] * value_1;
        output_1_1 += probability_1[0u] * value_1;
        let value_2 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 2u * KEY_SETS + key_set];
        output_0_2 += probability_0[0u] * value_2;
        output_1_2 += probability_1[0u] * value_2;
        let value_3 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 3u * KEY_SETS + key_set];
        output_0_3 += probability_0[0u] * value_3;
        output_1_3 += probability_1[0u] * value_3;
      }
      {
        let value_0 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[1u] * value_0;
        output_1_0 += probability_1[1u] * value_0;
        let value_1 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[1u] * value_1;
        output_1_1 += probability_1[1u] * value_1;
        let value_2 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 2u * KEY_SETS + key_set];
        output_0_2 += probability_0[1u] * value_2;
        output_1_2 += probability_1[1u] * value_2;
        let value_3 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 3u * KEY_SETS + key_set];
        output_0_3 += probability_0[1u] * value_3;
        output_1_3 += probability_1[1u] * value_3;
      }
      {
        let value_0 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[2u] * value_0;
        output_1_0 += probability_1[2u] * value_0;
        let value_1 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[2u] * value_1;
        output_1_1 += probability_1[2u] * value_1;
        let value_2 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 2u * KEY_SETS + key_set];
        output_0_2 += probability_0[2u] * value_2;
        output_1_2 += probability_1[2u] * value_2;
        let value_3 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 3u * KEY_SETS + key_set];
        output_0_3 += probability_0[2u] * value_3;
        output_1_3 += probability_1[2u] * value_3;
      }
      {
        let value_0 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[3u] * value_0;
        output_1_0 += probability_1[3u] * value_0;
        let value_1 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[3u] * value_1;
        output_1_1 += probability_1[3u] * value_1;
        let value_2 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 2u * KEY_SETS + key_set];
        output_0_2 += probability_0[3u] * value_2;
        output_1_2 += probability_1[3u] * value_2;
        let value_3 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 3u * KEY_SETS + key_set];
        output_0_3 += probability_0[3u] * value_3;
        output_1_3 += probability_1[3u] * value_3;
      }
    }
  }

  workgroupBarrier();
  probabilities[row_0 * KEY_SETS + key_set] = vec4<f32>(total_0);
  probabilities[row_1 * KEY_SETS + key_set] = vec4<f32>(total_1);
  workgroupBarrier();
  var row_total_0 = 0.0;
  for (var i = 0u; i < KEY_SETS; i++) {
    row_total_0 += probabilities[row_0 * KEY_SETS + i].x;
  }
  if (first_row + row_0 < state.rows) {
    let own_0 = row_of(head, first_row + row_0);
    out[(own_0 * params.heads + head) * HEAD_VEC4S + 0u * KEY_SETS + key_set] =
      pack_output(output_of(own_0, head, 0u * KEY_SETS + key_set, output_0_0 / row_total_0));
    out[(own_0 * params.heads + head) * HEAD_VEC4S + 1u * KEY_SETS + key_set] =
      pack_output(output_of(own_0, head, 1u * KEY_SETS + key_set, output_0_1 / row_total_0));
    out[(own_0 * params.heads + head) * HEAD_VEC4S + 2u * KEY_SETS + key_set] =
      pack_output(output_of(own_0, head, 2u * KEY_SETS + key_set, output_0_2 / row_total_0));
    out[(own_0 * params.heads + head) * HEAD_VEC4S + 3u * KEY_SETS + key_set] =
      pack_output(output_of(own_0, head, 3u * KEY_SETS + key_set, output_0_3 / row_total_0));
  }
  var row_total_1 = 0.0;
  for (var i = 0u; i < KEY_SETS; i++) {
    row_total_1 += probabilities[row_1 * KEY_SETS + i].x;
  }
  if (first_row + row_1 < state.rows) {
    let own_1 = row_of(head, first_row + row_1);
    out[(own_1 * params.heads + head) * HEAD_VEC4S + 0u * KEY_SETS + key_set] =
      pack_output(output_of(own_1, head, 0u * KEY_SETS + key_set, output_1_0 / row_total_1));
    out[(own_1 * params.heads + head) * HEAD_VEC4S + 1u * KEY_SETS + key_set] =
      pack_output(output_of(own_1, head, 1u * KEY_SETS + key_set, output_1_1 / row_total_1));
    out[(own_1 * params.heads + head) * HEAD_VEC4S + 2u * KEY_SETS + key_set] =
      pack_output(output_of(own_1, head, 2u * KEY_SETS + key_set, output_1_2 / row_total_1));
    out[(own_1 * params.heads + head) * HEAD_VEC4S + 3u * KEY_SETS + key_set] =
      pack_output(output_of(own_1, head, 3u * KEY_SETS + key_set, output_1_3 / row_total_1));
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
  return head_rows[params.heads + head * state.rows + i];
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
  return head_rows[head];
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
