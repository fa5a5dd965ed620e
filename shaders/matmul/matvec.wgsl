// y[row] = Σ_k weights[row, k] · x[k], for one token. Sets of LANES invocations take ROWS rows at once, so that x is read once for all
// of them (lib/lanes).
//
// norm:     x is RMS-normalized on the way: the factor 1/rms is the same for all k, so it is applied to the sum
//           and the sum of squares is gathered in the same loop.
// gated:    rows `row` (gate) and `row + rows` (up) give activation(gate) · up: a set reads STREAMS rows, twice ROWS.
// residual: adds to y instead of writing it.
// last_row: x is the last row of the pass.
// fixed:    x is made whole numbers first, and weights are multiplied as bytes (lib/fixed-point).
// now:      weights are asked for in a branch, where drivers do not put them off until x is staged.
// held:     x stays in registers while blocks of rows pass by (lib/held-x); ahead: the next block's weights are fetched before this one's are
//           multiplied, not behind that, which takes registers of its own.
// summands: x is the sum of x and of SUMMANDS rows beside it, which is kept in x_sum; with fixed alone.
// gated_heads: x is made of heads; where a head's gate is 0, so is x, and the weights of its columns are not read.
//#import lib/grid
//#import lib/x-group
//#if norm
//#import lib/norm-group
//#endif
//#import quant/{quant}
//#if gated
//#import lib/activation-{activation}
//#endif
//#if last_row
//#import lib/state
//#endif

alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/lanes
//#if held
//#import lib/held-x
//#endif

//#if norm
fn rms_factor(squares: f32) -> f32 {
  return inverseSqrt(squares / f32(params.columns) + params.epsilon);
}
//#endif

// What becomes of the sum of a row: `up` is that of its other half, `before` what stands there, `rms` the factor of the norm.
fn finish(row: u32, sum: f32, up: f32, rms: f32, before: f32) {
  var value = sum;
//#if norm
  value *= rms;
//#endif
//#if bias
  value += bias[row];
//#endif
//#if gated
//#if norm
  value = activation(value) * up * rms;
//#else
  value = activation(value) * up;
//#endif
//#endif
//#if residual
  value += before;
//#endif
  y[params.y_offset + row] = value;
}

// The lanes of a set share the writing of its rows.
fn writes(place: Lane, first_row: u32, r: u32) -> bool {
  return place.lane == r % LANES && place.split == 0u && first_row + r < params.rows;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let place = lane_of(invocation);
  let index = linear_workgroup(workgroup, workgroups);
  var x_base = 0u;
//#if last_row
  x_base = (state.rows - 1u) * params.groups * 8u;
//#endif
//#if fixed
  // x is waited for first, so it is fetched first; but not where sums are made of it, which wait by themselves.
//#if !summands
  let fetched = fetch_x(x_base, invocation);
//#endif
  let first_run = place.split * LANES + place.lane;
//#endif
//#if held
  // Weights of the first block are on their way while x is staged.
//#repeat H HELD
  let start_H = run_in_range(H * TURN_RUNS + first_run);
//#endrepeat
//#repeat R STREAMS
  let row_R = stream_row(index, 0u, place.row_set, R);
//#repeat H HELD
  var raw_R_H = load_run(row_R * params.row_vec4s, start_H, params.groups * 32u);
//#endrepeat
//#endrepeat
//#if summands
  let fetched = fetch_x(x_base, invocation);
//#endif
  stage_x(fetched, index, invocation, subgroup_size);
//#repeat H HELD
  let x_H = held_run(H * TURN_RUNS + first_run);
//#endrepeat
  for (var block = 0u; block < BLOCKS; block++) {
    var sums: vec4<f32>;
//#if ahead
//#repeat R STREAMS
//#repeat H HELD
    let now_R_H = raw_R_H;
//#endrepeat
//#endrepeat
    if (block + 1u < BLOCKS) {
//#repeat R STREAMS
      let row_R = stream_row(index, block + 1u, place.row_set, R);
//#repeat H HELD
      raw_R_H = load_run(row_R * params.row_vec4s, start_H, params.groups * 32u);
//#endrepeat
//#endrepeat
    }
//#repeat R STREAMS
    var sum_R = 0.0;
//#repeat H HELD
    sum_R += dot_run(now_R_H, x_H);
//#endrepeat
    sums[R] = sum_R;
//#endrepeat
//#else
//#repeat R STREAMS
    var sum_R = 0.0;
//#repeat H HELD
    sum_R += dot_run(raw_R_H, x_H);
//#endrepeat
    sums[R] = sum_R;
//#endrepeat
    if (block + 1u < BLOCKS) {
//#repeat R STREAMS
      let row_R = stream_row(index, block + 1u, place.row_set, R);
//#repeat H HELD
      raw_R_H = load_run(row_R * params.row_vec4s, start_H, params.groups * 32u);
//#endrepeat
//#endrepeat
    }
//#endif
    leave_streams(sums, place, block);
  }
  workgroupBarrier();
  var rms = 1.0;
//#if norm
  rms = rms_factor(staged_squares());
//#endif
  for (var i = invocation; i < WORKGROUP_ROWS; i += WORKGROUP) {
    let row = index * WORKGROUP_ROWS + i;
    if (row < params.rows) {
      var up = 0.0;
//#if gated
      up = stream_total(WORKGROUP_ROWS + i);
//#endif
      var before = 0.0;
//#if residual
      before = y[params.y_offset + row];
//#endif
      finish(row, stream_total(i), up, rms, before);
    }
  }
//#else
  let first_row = (index * SETS + place.row_set) * ROWS;
//#if residual
  // On their way while the sums are made.
//#repeat R ROWS
  var before_R = 0.0;
  if (writes(place, first_row, R)) {
    before_R = y[params.y_offset + first_row + R];
  }
//#endrepeat
//#endif

  // Sums are variables, written out: in an array, or in a loop over rows, they would leave the registers.
//#repeat R STREAMS
  let row_R = min(first_row + R % ROWS, params.rows - 1u) + R / ROWS * params.rows;
  var sum_R = 0.0;
//#endrepeat
//#if fixed
  // Weights of the first turn are on their way while x is staged, then those of the next one while a turn's are multiplied.
//#repeat R STREAMS
  var raw_R: RawRun;
//#endrepeat
//#if now
  if (first_row < params.rows)
//#endif
  {
//#repeat R STREAMS
    raw_R = load_run(row_R * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
//#endrepeat
  }
//#if summands
  let fetched = fetch_x(x_base, invocation);
//#endif
  stage_x(fetched, index, invocation, subgroup_size);
  for (var first_turn = 0u; first_turn < TURNS; first_turn += CHUNK) {
//#repeat C CHUNK
    {
      let turn = first_turn + C;
      let run = turn * TURN_RUNS + first_run;
//#repeat R STREAMS
      let now_R = raw_R;
//#endrepeat
      if (turn + 1u < TURNS) {
        let next = run_in_range(run + TURN_RUNS);
//#repeat R STREAMS
        raw_R = load_run(row_R * params.row_vec4s, next, params.groups * 32u);
//#endrepeat
      }
      if (!IS_RAGGED || run < RUNS) {
        let x_run = fixed_run(run);
//#repeat R STREAMS
        sum_R += dot_run(now_R, x_run);
//#endrepeat
      }
    }
//#endrepeat
  }
//#else
//#if norm
  var squares = 0.0;
//#endif
  for (var turn = 0u; turn < TURNS; turn++) {
    let group = turn * TURN_RUNS + place.split * LANES + place.lane;
    if (IS_RAGGED && group >= params.groups) {
      break;
    }
//#if gated_heads
    if (gates[group / params.head_groups] == 0.0) {
      continue;
    }
//#endif
    // The weights of all rows are on their way before the first one is decoded.
//#repeat R STREAMS
    let raw_R = load_raw(row_R * params.row_vec4s, group, params.groups * 32u);
//#endrepeat
    var x_group = load_x(x_base + group * 8u);
//#if norm
    squares += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
//#endif
//#repeat R STREAMS
    sum_R += dot_raw(raw_R, x_group);
//#endrepeat
  }
//#endif
  var sums: Sums;
//#repeat R STREAMS
  sums[R] = sum_R;
//#endrepeat
//#if norm
//#if !fixed
  sums[SUMS - 1u] = squares;
//#endif
//#endif
  sums = reduce_add(sums, place.lane, subgroup_size);
//#if splits
  leave_split(sums, place);
//#endif
//#repeat R ROWS
  if (writes(place, first_row, R)) {
    var rms = 1.0;
//#if norm
//#if fixed
    let squares = staged_squares();
//#else
    let squares = total(sums, place, SUMS - 1u);
//#endif
    rms = rms_factor(squares);
//#endif
    var up = 0.0;
//#if gated
    up = total(sums, place, ROWS + R);
//#endif
    var before = 0.0;
//#if residual
    before = before_R;
//#endif
    finish(first_row + R, total(sums, place, R), up, rms, before);
  }
//#endrepeat
//#endif
}
