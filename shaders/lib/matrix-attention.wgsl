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

//#import lib/cached-rows
//#import lib/attention-tile

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
//#if by_head
var<workgroup> own_tile: Tile;

fn keep_tile(tile: Tile) {
  own_tile = tile;
}

fn kept_tile() -> Tile {
  return workgroupUniformLoad(&own_tile);
}
//#endif

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
  let guesses = select(0u, 1u, last_block - first_block >= GUESSED_FROM);
  let turns = last_block - first_block + 1u + guesses;

  let part = subgroup / ROW_SUBGROUPS;
  let own_keys = &key_tile[part];
  let own_values = &value_tile[part];
  let own_scores = &scores[subgroup];
  // Two invocations share a row of a fragment and take turns, four scores each.
  let turn = lane % 2u;
//#repeat R ROW_FRAGMENTS
  let local_row_R = subgroup % ROW_SUBGROUPS * SUBGROUP_ROWS + R * EDGE + lane / 2u;
  let lane_scores_R = (R * EDGE + lane / 2u) * SCORE_STRIDE + turn;
  // Rows past the last one that has the head on repeat it.
  let place_R = first_row + local_row_R;
  let position_R = state.position + row_of(head, min(place_R, end_row - 1u));
  // The row's last block that it sees keys of this part in; none for its first keys.
  let last_seen_R = (position_R - part * EDGE) / BLOCK;
//#endrepeat
  // Where there are more invocations than parts of a block, the first ones bring keys and the last ones values.
//#repeat L KEY_LOADS
  let key_at_L = L * WORKGROUP + invocation;
  let value_at_L = L * WORKGROUP + (invocation + BLOCK_VEC8S) % WORKGROUP;
  let has_key_L = (L + 1u) * WORKGROUP <= BLOCK_VEC8S || key_at_L < BLOCK_VEC8S;
  let has_value_L = (L + 1u) * WORKGROUP <= BLOCK_VEC8S || value_at_L < BLOCK_VEC8S;
  var keys_L: vec4<u32>;
  var values_L: vec4<u32>;
//#endrepeat

//#repeat R ROW_FRAGMENTS
//#repeat D DIM_FRAGMENTS
  let query_part_R_D = query_part(head, place_R, 2u * D + turn);
  var sums_R_D: subgroup_matrix_result<f32, EDGE, EDGE>;
//#endrepeat
  var reference_R = NO_REFERENCE;
  var total_R: f32;
//#endrepeat
//#repeat D DIM_FRAGMENTS
  // Two places take turns, so that one barrier each is enough.
//#repeat R ROW_FRAGMENTS
  own_scores[lane_scores_R + D % 2u * 2u] = query_part_R_D;
//#endrepeat
  workgroupBarrier();
//#repeat R ROW_FRAGMENTS
  let query_R_D = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
    own_scores, R * EDGE * SCORE_STRIDE + D % 2u * 2u, SCORE_STRIDE);
//#endrepeat
//#endrepeat

  for (var attempt = 1u; attempt <= ATTEMPTS; attempt++) {
    // Blocks are on their way a turn of the loop before they are stored.
//#repeat L KEY_LOADS
    if (has_key_L) {
      store_keys(load_keys(rows, select(last_block, first_block, guesses == 1u), key_at_L), key_at_L);
      keys_L = load_keys(rows, last_block + guesses - 1u, key_at_L);
    }
//#endrepeat
//#repeat R ROW_FRAGMENTS
    // Of those of a turn.
    var largest_sum_R = 0.0;
//#repeat D DIM_FRAGMENTS
    sums_R_D = subgroup_matrix_result<f32, EDGE, EDGE>();
//#endrepeat
    total_R = 0.0;
    // The first turn ends no block.
    own_scores[lane_scores_R + PROBABILITIES] = vec4<u32>();
//#endrepeat
    workgroupBarrier();
    // Each turn begins a block and ends the one behind it, which has probabilities.
    for (var done = 0u; done < ENDLESS; done++) {
      if (done == turns) {
        break;
      }
      let is_guess = done < guesses;
      let block = select(last_block + guesses - done, first_block, is_guess);
//#repeat R ROW_FRAGMENTS
      let probabilities_R = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        own_scores, R * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
//#endrepeat
//#repeat L KEY_LOADS
      if (has_value_L) {
        store_values(values_L, value_at_L);
        values_L = load_values(rows, block, value_at_L);
      }
//#endrepeat
//#repeat R ROW_FRAGMENTS
      var products_R = subgroup_matrix_result<f32, EDGE, EDGE>();
//#endrepeat
//#repeat D DIM_FRAGMENTS
      let keys_of_D = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        own_keys, D * EDGE / 8u, KEY_STRIDE);
//#repeat R ROW_FRAGMENTS
      products_R = subgroupMatrixMultiplyAccumulate(query_R_D, keys_of_D, products_R);
//#endrepeat
//#endrepeat
//#repeat R ROW_FRAGMENTS
      subgroupMatrixStore<row_major>(own_scores, R * EDGE * SCORE_STRIDE, products_R, SCORE_STRIDE);
//#endrepeat
      workgroupBarrier();
//#repeat D DIM_FRAGMENTS
      let values_of_D = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
        own_values, D * EDGE / 8u, KEY_STRIDE);
//#repeat R ROW_FRAGMENTS
      sums_R_D = subgroupMatrixMultiplyAccumulate(probabilities_R, values_of_D, sums_R_D);
//#endrepeat
//#endrepeat
//#repeat L KEY_LOADS
      if (has_key_L) {
        store_keys(keys_L, key_at_L);
        keys_L = load_keys(rows, last_block + guesses - done - 2u, key_at_L);
      }
//#endrepeat

//#repeat R ROW_FRAGMENTS
      var low_R = bitcast<vec4<f32>>(own_scores[lane_scores_R]);
      var high_R = bitcast<vec4<f32>>(own_scores[lane_scores_R + 2u]);
//#endrepeat
      let is_at_end = (block + KEY_PARTS) * BLOCK > first_token;
      if (is_guess || is_at_end || block * BLOCK < first_position(last_token)) {
        let first_key = block * BLOCK + part * EDGE + turn * 4u;
//#repeat R ROW_FRAGMENTS
        low_R = mask(low_R, first_key, position_R);
        high_R = mask(high_R, first_key + 8u, position_R);
        let four_R = max(low_R, high_R);
        let two_R = max(four_R.xy, four_R.zw);
        let own_largest_R = max(two_R.x, two_R.y);
        let largest_R = max(own_largest_R, subgroupShuffleXor(own_largest_R, 1u));
        if (is_guess || block == last_seen_R) {
          reference_R = max(reference_R, largest_R);
        }
        if (is_guess) {
          // It comes again.
          low_R = vec4<f32>(-1.0e30);
          high_R = low_R;
        }
//#endrepeat
      }
//#repeat R ROW_FRAGMENTS
      low_R = exp2(low_R - vec4<f32>(reference_R));
      high_R = exp2(high_R - vec4<f32>(reference_R));
      own_scores[lane_scores_R + PROBABILITIES] = halves_of(low_R, high_R);
      let pairs_R = low_R + high_R;
      let sum_R = (pairs_R.x + pairs_R.y) + (pairs_R.z + pairs_R.w);
      total_R += sum_R;
      largest_sum_R = max(largest_sum_R, sum_R);
//#endrepeat
      workgroupBarrier();
    }
//#repeat L KEY_LOADS
    if (has_value_L) {
      store_values(values_L, value_at_L);
    }
//#endrepeat
//#repeat R ROW_FRAGMENTS
    let probabilities_R = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
      own_scores, R * EDGE * SCORE_STRIDE + PROBABILITIES, SCORE_STRIDE);
//#endrepeat
    workgroupBarrier();
//#repeat D DIM_FRAGMENTS
    let values_of_D = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, row_major>(
      own_values, D * EDGE / 8u, KEY_STRIDE);
//#repeat R ROW_FRAGMENTS
    sums_R_D = subgroupMatrixMultiplyAccumulate(probabilities_R, values_of_D, sums_R_D);
//#endrepeat
//#endrepeat
//#repeat R ROW_FRAGMENTS
    if (largest_sum_R > LARGEST_HALF) {
      failed = attempt;
    }
//#endrepeat
    if (workgroupUniformLoad(&failed) != attempt) {
      break;
    }
//#repeat R ROW_FRAGMENTS
    largest_sum_R = max(largest_sum_R, subgroupShuffleXor(largest_sum_R, 1u));
    if (largest_sum_R > LARGEST_HALF) {
      reference_R += min(log2(largest_sum_R), MOST_GROWTH);
    }
//#endrepeat
  }

//#repeat R ROW_FRAGMENTS
  total_R += subgroupShuffleXor(total_R, 1u);
  if (turn == 0u) {
    shares[part * ROWS + local_row_R] = vec2<f32>(reference_R, total_R);
  }
//#endrepeat
  workgroupBarrier();
//#repeat R ROW_FRAGMENTS
  let weights_R = weights_of(local_row_R);
  let row_R = row_of(head, min(place_R, state.rows - 1u));
//#endrepeat
//#repeat D DIM_FRAGMENTS
//#repeat R ROW_FRAGMENTS
  subgroupMatrixStore<row_major>(own_scores, R * EDGE * SCORE_STRIDE, sums_R_D, SCORE_STRIDE);
//#endrepeat
  workgroupBarrier();
  for (var quad = turn + 2u * part; quad < EDGE / 4u; quad += 2u * KEY_PARTS) {
    let to = D * EDGE / 4u + quad;
//#repeat R ROW_FRAGMENTS
    if (place_R < state.rows) {
      var output = vec4<f32>();
      for (var p = 0u; p < KEY_PARTS; p++) {
        let of_part = &scores[p * ROW_SUBGROUPS + subgroup % ROW_SUBGROUPS];
        output += weights_R[p] * bitcast<vec4<f32>>(of_part[lane_scores_R - turn + quad]);
      }
      out[(row_R * params.heads + head) * HEAD_VEC4S + to] = pack_output(output_of(row_R, head, to, output));
    }
//#endrepeat
  }
  workgroupBarrier();
//#endrepeat
}
