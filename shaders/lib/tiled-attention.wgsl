// The variant of attention for passes on GPUs without subgroup matrices (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): ROW_SETS × KEY_SETS
// invocations take ROWS tokens of one head and go through the keys in blocks. Queries and a block of keys, then of values, lie in
// workgroup memory; an invocation makes the scores of ROWS_EACH tokens and four keys, and of the output as many tokens and DIM_TURNS
// vectors. The next keys and values are on their way meanwhile.

//#import lib/cached-rows
//#import lib/attention-tile

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

//#if by_head
// All of the workgroup memory that every adapter has is taken: in a place of numbers that come later.
fn keep_tile(tile: Tile) {
  probabilities[0] = vec4<f32>(f32(tile.head), f32(tile.first_row), 0.0, 0.0);
}

fn kept_tile() -> Tile {
  let kept = workgroupUniformLoad(&probabilities[0]);
  return Tile(u32(kept.x), u32(kept.y));
}
//#endif

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
//#if by_head
  if (first_row >= rows_of(head)) {
    leave_zeros(head, first_row, invocation);
    return;
  }
//#endif
  let end_row = min(first_row + ROWS, rows_of(head));
  let first_token = state.position + row_of(head, first_row);
  let last_token = state.position + row_of(head, end_row - 1u);
  let first_block = first_position(first_token) / BLOCK;
  let end_block = last_token / BLOCK + 1u;
  let row_set = invocation / KEY_SETS;
  let key_set = invocation % KEY_SETS;

  bring_queries(head, first_row, invocation);
//#repeat R ROWS_EACH
  let row_R = R * ROW_SETS + row_set;
  // Rows past the last one that has the head on repeat it.
  let position_R = state.position + row_of(head, min(first_row + row_R, end_row - 1u));
  var largest_R = -1.0e30;
  var total_R = 0.0;
//#repeat D DIM_TURNS
  var output_R_D = vec4<f32>();
//#endrepeat
//#endrepeat
//#repeat L LOADS
  var key_L = load_key(rows, first_block * BLOCK, L * WORKGROUP + invocation);
//#endrepeat

  for (var block = first_block; block < end_block; block++) {
    let first_key = block * BLOCK;
    workgroupBarrier();
//#repeat L LOADS
    store_key(L * WORKGROUP + invocation, key_L);
    let value_L = load_value(rows, first_key, L * WORKGROUP + invocation);
//#endrepeat
    workgroupBarrier();
//#repeat R ROWS_EACH
    var scores_R = vec4<f32>();
//#endrepeat
    for (var i = 0u; i < HEAD_VEC4S; i++) {
      let a = cached_tile[place_of(4u * key_set, i, key_set)];
      let b = cached_tile[place_of(4u * key_set + 1u, i, key_set)];
      let c = cached_tile[place_of(4u * key_set + 2u, i, key_set)];
      let d = cached_tile[place_of(4u * key_set + 3u, i, key_set)];
//#repeat R ROWS_EACH
      let query_R = query_tile[place_of(row_R, i, row_set)];
      scores_R += vec4<f32>(dot(query_R, a), dot(query_R, b), dot(query_R, c), dot(query_R, d));
//#endrepeat
    }
    if (first_key + BLOCK > first_token || first_key < first_position(last_token)) {
//#repeat R ROWS_EACH
      scores_R = mask(scores_R, first_key + 4u * key_set, position_R);
//#endrepeat
    }
//#repeat R ROWS_EACH
    probabilities[row_R * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_R;
//#endrepeat
    workgroupBarrier();
//#repeat R ROWS_EACH
    var row_largest_R = probabilities[row_R * KEY_SETS];
    for (var i = 1u; i < KEY_SETS; i++) {
      row_largest_R = max(row_largest_R, probabilities[row_R * KEY_SETS + i]);
    }
    let new_largest_R = max(largest_R, largest_of(row_largest_R));
    let rescale_R = exp2(largest_R - new_largest_R);
    largest_R = new_largest_R;
    scores_R = exp2(scores_R - vec4<f32>(new_largest_R));
    total_R = total_R * rescale_R + sum_of(scores_R);
//#repeat D DIM_TURNS
    output_R_D *= rescale_R;
//#endrepeat
//#endrepeat
    // Keys and scores have been read by all.
    workgroupBarrier();
//#repeat R ROWS_EACH
    probabilities[row_R * KEY_SETS + (key_set ^ (row_set % KEY_SETS))] = scores_R;
//#endrepeat
//#repeat L LOADS
    cached_tile[L * WORKGROUP + invocation] = value_L;
//#endrepeat
    workgroupBarrier();
    // The last block brings its own keys again, and drops them.
    let next_key = min(block + 1u, end_block - 1u) * BLOCK;
//#repeat L LOADS
    key_L = load_key(rows, next_key, L * WORKGROUP + invocation);
//#endrepeat
    for (var i = 0u; i < KEY_SETS; i++) {
//#repeat R ROWS_EACH
      let probability_R = probabilities[row_R * KEY_SETS + (i ^ (row_set % KEY_SETS))];
//#endrepeat
//#repeat K KEYS_EACH
      {
//#repeat D DIM_TURNS
        let value_D = cached_tile[(4u * i + K) * HEAD_VEC4S + D * KEY_SETS + key_set];
//#repeat R ROWS_EACH
        output_R_D += probability_R[K] * value_D;
//#endrepeat
//#endrepeat
      }
//#endrepeat
    }
  }

  workgroupBarrier();
//#repeat R ROWS_EACH
  probabilities[row_R * KEY_SETS + key_set] = vec4<f32>(total_R);
//#endrepeat
  workgroupBarrier();
//#repeat R ROWS_EACH
  var row_total_R = 0.0;
  for (var i = 0u; i < KEY_SETS; i++) {
    row_total_R += probabilities[row_R * KEY_SETS + i].x;
  }
  if (first_row + row_R < state.rows) {
    let own_R = row_of(head, first_row + row_R);
//#repeat D DIM_TURNS
    out[(own_R * params.heads + head) * HEAD_VEC4S + D * KEY_SETS + key_set] =
      pack_output(output_of(own_R, head, D * KEY_SETS + key_set, output_R_D / row_total_R));
//#endrepeat
  }
//#endrepeat
}
