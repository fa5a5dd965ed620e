const HEAD_DIM_VEC4S: u32 = 16u;
const ROWS_EACH: u32 = 4u;
const KEYS_EACH: u32 = 4u;
const DIM_TURNS: u32 = 2u;
const LOADS: u32 = 4u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(8u, 4u, 26u, 0u, 0.3606737554073334f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
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
  return LeftOut();
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
  return attended;
}
// Where the rows of a KV head lie in the caches, in units of CACHED_COMPONENTS. ragged: every head has widths of its own (MatryoshkaKV); rows
// of a head follow each other without gaps, and beyond its width a row repeats what it ends with: queries are zero there, and outputs are
// not read (lib/left-out). Else all rows are CACHED_PER_HEAD wide.
// packed: numbers that want a scale, eight to a Cached: lib/stored-q8_0.

const CACHED_COMPONENTS: u32 = 4u;
alias Cached = Stored;
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
// when they start, and where some end at once those that compute may share a unit while others have none. Of either kind each head's longest
// start before each head's second ones, and so on, so that long tiles share a unit with short ones: an invocation looks among the nth of all heads.
fn tile_of(workgroup: vec3<u32>, tiles: u32, invocation: u32) -> Tile {
  return Tile(workgroup.x, (tiles - 1u - workgroup.z) * ROWS);
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
  let row_1 = 1u * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_1 = state.position + row_of(head, min(first_row + row_1, end_row - 1u));
  var largest_1 = -1.0e30;
  var total_1 = 0.0;
  var output_1_0 = vec4<f32>();
  var output_1_1 = vec4<f32>();
  let row_2 = 2u * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_2 = state.position + row_of(head, min(first_row + row_2, end_row - 1u));
  var largest_2 = -1.0e30;
  var total_2 = 0.0;
  var output_2_0 = vec4<f32>();
  var output_2_1 = vec4<f32>();
  let row_3 = 3u * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_3 = state.position + row_of(head, min(first_row + row_3, end_row - 1u));
  var largest_3 = -1.0e30;
  var total_3 = 0.0;
  var output_3_0 = vec4<f32>();
  var output_3_1 = vec4<f32>();
  var key_0 = load_key(rows, first_block * BLOCK, 0u * WORKGROUP + invocation);
  var key_1 = load_key(rows, first_block * BLOCK, 1u * WORKGROUP + invocation);
  var key_2 = load_key(rows, first_block * BLOCK, 2u * WORKGROUP + invocation);
  var key_3 = load_key(rows, first_block * BLOCK, 3u * WORKGROUP + invocation);

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
    workgroupBarrier();
    var scores_0 = vec4<f32>();
    var scores_1 = vec4<f32>();
    var scores_2 = vec4<f32>();
    var scores_3 = vec4<f32>();
    for (var i = 0u; i < HEAD_VEC4S; i++) {
      let a = cached_tile[place_of(4u * key_set, i, key_set)];
      let b = cached_tile[place_of(4u * key_set + 1u, i, key_set)];
      let c = cached_tile[place_of(4u * key_set + 2u, i, key_set)];
      let d = cached_tile[place_of(4u * key_set + 3u, i, key_set)];
      let query_0 = query_tile[place_of(row_0, i, row_set)];
      scores_0 += vec4<f32>(dot(query_0, a), dot(query_0, b), dot(query_0, c), dot(query_0, d));
      let query_1 = query_tile[place_of(row_1, i, row_set)];
      scores_1 += vec4<f32>(dot(query_1, a), dot(query_1, b), dot(query_1, c), dot(query_1, d));
      let query_2 = query_tile[place_of(row_2, i, row_set)];
      scores_2 += vec4<f32>(dot(query_2, a), dot(query_2, b), dot(query_2, c), dot(query_2, d));
      let query_3 = query_tile[place_of(row_3, i, row_set)];
      scores_3 += vec4<f32>(dot(query_3, a), dot(query_3, b), dot(query_3, c), dot(query_3, d));
    }
    if (first_key + BLOCK > first_token || first_key < first_position(last_token)) {
      scores_0 = mask(scores_0, first_key + 4u * key_set, position_0);
      scores_1 = mask(scores_1, first_key + 4u * key_set, position_1);
      scores_2 = mask(scores_2, first_key + 4u * key_set, position_2);
      scores_3 = mask(scores_3, first_key + 4u * key_set, position_3);
    }
    probabilities[row_0 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_0;
    probabilities[row_1 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_1;
    probabilities[row_2 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_2;
    probabilities[row_3 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_3;
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
    var row_largest_2 = probabilities[row_2 * KEY_SETS];
    for (var i = 1u; i < KEY_SETS; i++) {
      row_largest_2 = max(row_largest_2, probabilities[row_2 * KEY_SETS + i]);
    }
    let new_largest_2 = max(largest_2, largest_of(row_largest_2));
    let rescale_2 = exp2(largest_2 - new_largest_2);
    largest_2 = new_largest_2;
    scores_2 = exp2(scores_2 - vec4<f32>(new_largest_2));
    total_2 = total_2 * rescale_2 + sum_of(scores_2);
    output_2_0 *= rescale_2;
    output_2_1 *= rescale_2;
    var row_largest_3 = probabilities[row_3 * KEY_SETS];
    for (var i = 1u; i < KEY_SETS; i++) {
      row_largest_3 = max(row_largest_3, probabilities[row_3 * KEY_SETS + i]);
    }
    let new_largest_3 = max(largest_3, largest_of(row_largest_3));
    let rescale_3 = exp2(largest_3 - new_largest_3);
    largest_3 = new_largest_3;
    scores_3 = exp2(scores_3 - vec4<f32>(new_largest_3));
    total_3 = total_3 * rescale_3 + sum_of(scores_3);
    output_3_0 *= rescale_3;
    output_3_1 *= rescale_3;
    // Keys and scores have been read by all.
    workgroupBarrier();
    probabilities[row_0 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_0;
    probabilities[row_1 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_1;
    probabilities[row_2 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_2;
    probabilities[row_3 * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_3;
    cached_tile[0u * WORKGROUP + invocation] = value_0;
    cached_tile[1u * WORKGROUP + invocation] = value_1;
    cached_tile[2u * WORKGROUP + invocation] = value_2;
    cached_tile[3u * WORKGROUP + invocation] = value_3;
    workgroupBarrier();
    // The last block brings its own keys again, and drops them.
    let next_key = min(block + 1u, end_block - 1u) * BLOCK;
    key_0 = load_key(rows, next_key, 0u * WORKGROUP + invocation);
    key_1 = load_key(rows, next_key, 1u * WORKGROUP + invocation);
    key_2 = load_key(rows, next_key, 2u * WORKGROUP + invocation);
    key_3 = load_key(rows, next_key, 3u * WORKGROUP + invocation);
    for (var i = 0u; i < KEY_SETS; i++) {
      let probability_0 = probabilities[row_0 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      let probability_1 = probabilities[row_1 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      let probability_2 = probabilities[row_2 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      let probability_3 = probabilities[row_3 * KEY_SETS + (i ^ (row_set % KEY_SETS))];
      {
        let value_0 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[0u] * value_0;
        output_1_0 += probability_1[0u] * value_0;
        output_2_0 += probability_2[0u] * value_0;
        output_3_0 += probability_3[0u] * value_0;
        let value_1 = cached_tile[(4u * i + 0u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[0u] * value_1;
        output_1_1 += probability_1[0u] * value_1;
        output_2_1 += probability_2[0u] * value_1;
        output_3_1 += probability_3[0u] * value_1;
      }
      {
        let value_0 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[1u] * value_0;
        output_1_0 += probability_1[1u] * value_0;
        output_2_0 += probability_2[1u] * value_0;
        output_3_0 += probability_3[1u] * value_0;
        let value_1 = cached_tile[(4u * i + 1u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[1u] * value_1;
        output_1_1 += probability_1[1u] * value_1;
        output_2_1 += probability_2[1u] * value_1;
        output_3_1 += probability_3[1u] * value_1;
      }
      {
        let value_0 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[2u] * value_0;
        output_1_0 += probability_1[2u] * value_0;
        output_2_0 += probability_2[2u] * value_0;
        output_3_0 += probability_3[2u] * value_0;
        let value_1 = cached_tile[(4u * i + 2u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[2u] * value_1;
        output_1_1 += probability_1[2u] * value_1;
        output_2_1 += probability_2[2u] * value_1;
        output_3_1 += probability_3[2u] * value_1;
      }
      {
        let value_0 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 0u * KEY_SETS + key_set];
        output_0_0 += probability_0[3u] * value_0;
        output_1_0 += probability_1[3u] * value_0;
        output_2_0 += probability_2[3u] * value_0;
        output_3_0 += probability_3[3u] * value_0;
        let value_1 = cached_tile[(4u * i + 3u) * HEAD_VEC4S + 1u * KEY_SETS + key_set];
        output_0_1 += probability_0[3u] * value_1;
        output_1_1 += probability_1[3u] * value_1;
        output_2_1 += probability_2[3u] * value_1;
        output_3_1 += probability_3[3u] * value_1;
      }
    }
  }

  workgroupBarrier();
  probabilities[row_0 * KEY_SETS + key_set] = vec4<f32>(total_0);
  probabilities[row_1 * KEY_SETS + key_set] = vec4<f32>(total_1);
  probabilities[row_2 * KEY_SETS + key_set] = vec4<f32>(total_2);
  probabilities[row_3 * KEY_SETS + key_set] = vec4<f32>(total_3);
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
  }
  var row_total_2 = 0.0;
  for (var i = 0u; i < KEY_SETS; i++) {
    row_total_2 += probabilities[row_2 * KEY_SETS + i].x;
  }
  if (first_row + row_2 < state.rows) {
    let own_2 = row_of(head, first_row + row_2);
    out[(own_2 * params.heads + head) * HEAD_VEC4S + 0u * KEY_SETS + key_set] =
      pack_output(output_of(own_2, head, 0u * KEY_SETS + key_set, output_2_0 / row_total_2));
    out[(own_2 * params.heads + head) * HEAD_VEC4S + 1u * KEY_SETS + key_set] =
      pack_output(output_of(own_2, head, 1u * KEY_SETS + key_set, output_2_1 / row_total_2));
  }
  var row_total_3 = 0.0;
  for (var i = 0u; i < KEY_SETS; i++) {
    row_total_3 += probabilities[row_3 * KEY_SETS + i].x;
  }
  if (first_row + row_3 < state.rows) {
    let own_3 = row_of(head, first_row + row_3);
    out[(own_3 * params.heads + head) * HEAD_VEC4S + 0u * KEY_SETS + key_set] =
      pack_output(output_of(own_3, head, 0u * KEY_SETS + key_set, output_3_0 / row_total_3));
    out[(own_3 * params.heads + head) * HEAD_VEC4S + 1u * KEY_SETS + key_set] =
      pack_output(output_of(own_3, head, 1u * KEY_SETS + key_set, output_3_1 / row_total_3));
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

const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
