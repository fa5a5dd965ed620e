// The matrix variant of attention (FlashAttention-2, arXiv 2307.08691, §3.1–3.2): a workgroup of four subgroups takes ROWS tokens of one
// head, 16 a subgroup, and goes through the keys in blocks, from the last to the first. Queries and sums of the output stay in
// fragments; keys, values and probabilities pass through workgroup memory as halves. Blocks above the diagonal are never visited, and
// only blocks on it, or at the edge of a window, are masked.
//
// Fragments cannot be scaled row by row, so the output is rescaled only where a row's largest score has grown by more than 2^SLACK:
// up to there, probabilities relative to the old maximum fit into halves.

//#import lib/cached-rows
//#import lib/attention-tile

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

  bring_queries(head, first_row, invocation);
  workgroupBarrier();
  let own_left = &left_tile[subgroup];
  let own_scores = &scores[subgroup];
//#repeat D DIM_FRAGMENTS
  let query_D = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_left, D * EDGE / 4u, SHARED_STRIDE);
  var sums_D: subgroup_matrix_result<f32, EDGE, EDGE>;
//#endrepeat

  let row_of_lane = lane / 2u;
  let turn_of_lane = lane % 2u;
  // Rows past the last one that has the head on repeat it.
  let place = first_row + subgroup * EDGE + row_of_lane;
  let position = state.position + row_of(head, min(place, end_row - 1u));
  let lane_scores = row_of_lane * SCORE_STRIDE / 4u;
  let lane_left = row_of_lane * SHARED_STRIDE;
  var reference = -1.0e30;
  var total = 0.0;
//#repeat L KEY_LOADS
  var cached_L = load_cached(rows, (end_block - 1u) * BLOCK, L * WORKGROUP + invocation);
//#endrepeat
  for (var block = end_block; block > first_block; block--) {
    let first_key = (block - 1u) * BLOCK;
    workgroupBarrier();
//#repeat L KEY_LOADS
    store_cached(cached_L, L * WORKGROUP + invocation);
//#endrepeat
    if (invocation == 0u) {
      grown = 0u;
    }
    workgroupBarrier();
    // The next block is on its way while this one is multiplied; the last one loads itself again, and drops it.
    let next_key = (max(block - 1u, first_block + 1u) - 1u) * BLOCK;
//#repeat L KEY_LOADS
    cached_L = load_cached(rows, next_key, L * WORKGROUP + invocation);
//#endrepeat

//#repeat S SCORE_FRAGMENTS
    var scores_S = subgroup_matrix_result<f32, EDGE, EDGE>();
//#repeat D DIM_FRAGMENTS
    scores_S = subgroupMatrixMultiplyAccumulate(
      query_D,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &key_tile, S * EDGE * KEY_STRIDE + D * EDGE / 4u, KEY_STRIDE),
      scores_S,
    );
//#endrepeat
    subgroupMatrixStore<row_major>(own_scores, S * EDGE / 4u, scores_S, SCORE_STRIDE / 4u);
//#endrepeat
    workgroupBarrier();

//#repeat I TURNS
    var row_scores_I = own_scores[lane_scores + 2u * I + turn_of_lane];
//#endrepeat
    if (first_key + BLOCK > first_token || first_key < first_position(last_token)) {
//#repeat I TURNS
      row_scores_I = mask(row_scores_I, first_key + (2u * I + turn_of_lane) * 4u, position);
//#endrepeat
    }
    var largest = vec4<f32>(-1.0e30);
//#repeat I TURNS
    largest = max(largest, row_scores_I);
//#endrepeat
    var row_largest = max(max(largest.x, largest.y), max(largest.z, largest.w));
    row_largest = max(row_largest, subgroupShuffleXor(row_largest, 1u));
    let grows = row_largest > reference + SLACK;
    let new_reference = select(reference, row_largest, grows);
    let rescale = exp2(reference - new_reference);
    reference = new_reference;
    var row_total = vec4<f32>();
//#repeat I TURNS
    let probability_I = exp2(row_scores_I - vec4<f32>(reference));
    row_total += probability_I;
    own_left[lane_left + 2u * I + turn_of_lane] = vec4<f16>(probability_I);
//#endrepeat
    total = total * rescale + (row_total.x + row_total.y) + (row_total.z + row_total.w);
    if (grows && block < end_block) {
      grown = 1u;
    }
    if (workgroupUniformLoad(&grown) == 1u) {
//#repeat D DIM_FRAGMENTS
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_D, SCORE_STRIDE / 4u);
      workgroupBarrier();
      own_scores[lane_scores + turn_of_lane] *= rescale;
      own_scores[lane_scores + 2u + turn_of_lane] *= rescale;
      workgroupBarrier();
      sums_D = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
        own_scores, 0u, SCORE_STRIDE / 4u);
      workgroupBarrier();
//#endrepeat
    }

//#repeat S SCORE_FRAGMENTS
    let probabilities_S = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_left, S * EDGE / 4u, SHARED_STRIDE);
//#repeat D DIM_FRAGMENTS
    sums_D = subgroupMatrixMultiplyAccumulate(
      probabilities_S,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        &value_tile, S * EDGE * KEY_STRIDE + D * EDGE / 4u, KEY_STRIDE),
      sums_D,
    );
//#endrepeat
//#endrepeat
  }

  total += subgroupShuffleXor(total, 1u);
  let row = row_of(head, min(place, state.rows - 1u));
//#repeat D DIM_FRAGMENTS
  workgroupBarrier();
  subgroupMatrixStore<row_major>(own_scores, 0u, sums_D, SCORE_STRIDE / 4u);
  workgroupBarrier();
  if (place < state.rows) {
    let quad = D * EDGE / 4u + turn_of_lane;
    let to = (row * params.heads + head) * HEAD_VEC4S + quad;
    out[to] = pack_output(output_of(row, head, quad, own_scores[lane_scores + turn_of_lane] / total));
    out[to + 2u] = pack_output(output_of(row, head, quad + 2u, own_scores[lane_scores + 2u + turn_of_lane] / total));
  }
//#endrepeat
}
