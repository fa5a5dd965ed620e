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

//#import lib/cached-rows
//#import lib/attention-tile

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

//#repeat L KEY_LOADS
  var keys_L = load_keys(rows, last_block, L * WORKGROUP + invocation);
  var values_L = load_values(rows, last_block, L * WORKGROUP + invocation);
//#endrepeat
//#repeat D DIM_FRAGMENTS
  let query_part_D = query_part(head, place, 2u * D + turn);
//#endrepeat
//#repeat L KEY_LOADS
  store_keys(keys_L, L * WORKGROUP + invocation);
//#endrepeat
//#repeat D DIM_FRAGMENTS
  // Two places take turns, so that one barrier each is enough.
  own_scores[lane_scores + D % 2u * 2u] = query_part_D;
  workgroupBarrier();
  let query_D = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, D % 2u * 2u, SCORE_STRIDE);
  var sums_D: subgroup_matrix_result<f32, EDGE, EDGE>;
//#endrepeat
  // Blocks are on their way a turn of the loop before they are stored. Past the first one it is loaded again, and dropped.
//#repeat L KEY_LOADS
  keys_L = load_keys(rows, max(last_block, first_block + 1u) - 1u, L * WORKGROUP + invocation);
//#endrepeat
  workgroupBarrier();
  if (!IN_PLACE) {
    // The first turn ends no block.
//#repeat S SCORE_FRAGMENTS
    own_scores[lane_scores + PROBABILITIES + S * EDGE / 4u] = vec4<u32>();
//#endrepeat
    workgroupBarrier();
  }

  var reference = FIRST_REFERENCE;
  var total = 0.0;
  var rescale = 1.0;
  var is_grown = 0u;
  // Each turn begins a block and ends the one behind it, which has probabilities.
  for (var left = last_block + 1u; true; left--) {
//#repeat S SCORE_FRAGMENTS
    let probabilities_S = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, PROBABILITIES + S * EDGE / 4u, SCORE_STRIDE);
//#endrepeat
    if (is_grown == 1u) {
//#repeat D DIM_FRAGMENTS
      workgroupBarrier();
      subgroupMatrixStore<row_major>(own_scores, 0u, sums_D, SCORE_STRIDE);
      workgroupBarrier();
      own_scores[lane_scores] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores]) * rescale);
      own_scores[lane_scores + 2u] = bitcast<vec4<u32>>(bitcast<vec4<f32>>(own_scores[lane_scores + 2u]) * rescale);
      workgroupBarrier();
      sums_D = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(own_scores, 0u, SCORE_STRIDE);
//#endrepeat
      workgroupBarrier();
    }
    let block = max(left, first_block + 1u) - 1u;
    if (IN_PLACE) {
      if (left <= last_block) {
//#repeat S SCORE_FRAGMENTS
//#repeat D DIM_FRAGMENTS
        sums_D = subgroupMatrixMultiplyAccumulate(
          probabilities_S,
          subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
            own_values, S * EDGE * KEY_STRIDE + D * EDGE / 8u, KEY_STRIDE),
          sums_D,
        );
//#endrepeat
//#endrepeat
      }
      if (left == first_block) {
        break;
      }
    } else {
//#repeat L KEY_LOADS
      store_values(values_L, L * WORKGROUP + invocation);
//#endrepeat
//#repeat L KEY_LOADS
      values_L = load_values(rows, block, L * WORKGROUP + invocation);
//#endrepeat
    }
//#repeat S SCORE_FRAGMENTS
    var scores_S = subgroup_matrix_result<f32, EDGE, EDGE>();
//#endrepeat
//#repeat D DIM_FRAGMENTS
//#repeat S SCORE_FRAGMENTS
    scores_S = subgroupMatrixMultiplyAccumulate(
      query_D,
      subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, S * EDGE * KEY_STRIDE + D * EDGE / 8u, KEY_STRIDE),
      scores_S,
    );
//#endrepeat
//#endrepeat
    if (IN_PLACE) {
      workgroupBarrier();
    }
//#repeat S SCORE_FRAGMENTS
    subgroupMatrixStore<row_major>(own_scores, S * EDGE / 4u, scores_S, SCORE_STRIDE);
//#endrepeat
    if (invocation == 0u) {
      grown = 0u;
    }
    workgroupBarrier();
    if (!IN_PLACE) {
//#repeat S SCORE_FRAGMENTS
//#repeat D DIM_FRAGMENTS
      sums_D = subgroupMatrixMultiplyAccumulate(
        probabilities_S,
        subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
          own_values, S * EDGE * KEY_STRIDE + D * EDGE / 8u, KEY_STRIDE),
        sums_D,
      );
//#endrepeat
//#endrepeat
      if (left == first_block) {
        break;
      }
    }
//#repeat L KEY_LOADS
    store_keys(keys_L, L * WORKGROUP + invocation);
    if (IN_PLACE) {
      store_values(values_L, L * WORKGROUP + invocation);
    }
//#endrepeat
//#repeat L KEY_LOADS
    keys_L = load_keys(rows, max(block, first_block + 2u) - 2u, L * WORKGROUP + invocation);
    if (IN_PLACE) {
      values_L = load_values(rows, max(block, first_block + 1u) - 1u, L * WORKGROUP + invocation);
    }
//#endrepeat

//#repeat S SCORE_FRAGMENTS
    var low_S = bitcast<vec4<f32>>(own_scores[lane_scores + S * EDGE / 4u]);
    var high_S = bitcast<vec4<f32>>(own_scores[lane_scores + S * EDGE / 4u + 2u]);
//#endrepeat
    let first_key = block * BLOCK + part * PART;
    if (first_key + PART > first_token || first_key < first_position(last_token)) {
//#repeat S SCORE_FRAGMENTS
      low_S = mask(low_S, first_key + S * EDGE + turn * 4u, position);
      high_S = mask(high_S, first_key + S * EDGE + turn * 4u + 8u, position);
//#endrepeat
    }
    var largest = vec4<f32>(-1.0e30);
//#repeat S SCORE_FRAGMENTS
    largest = max(largest, max(low_S, high_S));
//#endrepeat
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
//#repeat S SCORE_FRAGMENTS
    low_S = exp2(low_S - vec4<f32>(reference));
    high_S = exp2(high_S - vec4<f32>(reference));
    row_total += low_S + high_S;
    // Where they are in place, this invocation has read those scores itself.
    own_scores[lane_scores + PROBABILITIES + S * EDGE / 4u] = halves_of(low_S, high_S);
//#endrepeat
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
//#repeat D DIM_FRAGMENTS
  subgroupMatrixStore<row_major>(own_scores, D % OUTPUT_PLACES * EDGE / 4u, sums_D, SCORE_STRIDE);
  workgroupBarrier();
  if (place < state.rows) {
    for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
      let at = lane / 2u * SCORE_STRIDE + D % OUTPUT_PLACES * EDGE / 4u + quad;
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        output += weights[p] * bitcast<vec4<f32>>(scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS][at]);
      }
      let to = D * EDGE / 4u + quad;
      out[(row * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row, head, to, output));
    }
  }
  if (OUTPUT_PLACES == 1u) {
    workgroupBarrier();
  }
//#endrepeat
}
