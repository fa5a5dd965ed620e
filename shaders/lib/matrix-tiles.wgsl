// The matrix variant of matmul: a workgroup of 2 × ROW_SUBGROUPS subgroups makes TILE_TOKENS × TILE_ROWS outputs. Both tiles of
// STEP_GROUPS groups of 32 columns lie in workgroup memory as halves; subgroups multiply EDGE × EDGE fragments out of them, with sums in
// single precision, while the next tiles are on their way into registers.
//
// What must stay in registers is variables, written out, not arrays: with arrays and loops the same code reached 35 TFLOP/s instead of
// 180 on an H200. Sums begin with what is to be added and are stored as whole fragments.
//
// scales: those of SCALE_GROUPS groups come as one vector, once for all of them. Each row is another line of the cache: fetched group by
//        group, a scale costs as much as the numbers (313 instead of 287 µs for 1,024 tokens of 16384 × 2048 on an H200).
// ahead: loads are two steps ahead, and weights are decoded before the barrier, while other subgroups still multiply: where sums leave registers
//        for that.
// gated: the matrix is gates, then as many ups. A subgroup has fragments of both by turns, of the same outputs: they pass through the
//        workgroup memory of the tiles, a pair at a time, and leave as halves of activation(gate) · up.
//#import quant-half/{half}
//#if gated
//#import lib/activation-{activation}
//#endif

// Eight halves.
alias X = vec4<u32>;
//#if gated
alias Y = vec4<u32>;
//#else
alias Y = f32;
//#endif

const SUBGROUP_TOKENS: u32 = TOKEN_FRAGMENTS * EDGE;
const SUBGROUP_ROWS: u32 = ROW_FRAGMENTS * EDGE;
const TOKEN_SUBGROUPS: u32 = 2u;
const TILE_TOKENS: u32 = TOKEN_SUBGROUPS * SUBGROUP_TOKENS;
const TILE_ROWS: u32 = ROW_SUBGROUPS * SUBGROUP_ROWS;
// Eight halves.
const STEP_VEC8S: u32 = STEP_GROUPS * 4u;
// Rows of the tiles are 16 bytes longer than they need be: neighbouring ones start in other banks.
const TILE_STRIDE: u32 = STEP_VEC8S + 1u;
const STEPS: u32 = (params.groups + STEP_GROUPS - 1u) / STEP_GROUPS;

// What a subgroup multiplies is an array of its own, so that the places of its fragments are constants: a load from a place that is only
// known at run time is checked against the array's end (164 instead of 236 TFLOP/s at 4096³ on an H200).
// Eight halves are one element: they are stored at once.
alias TokenPart = array<vec4<u32>, SUBGROUP_TOKENS * TILE_STRIDE>;
alias RowPart = array<vec4<u32>, SUBGROUP_ROWS * TILE_STRIDE>;
var<workgroup> x_tile: array<TokenPart, TOKEN_SUBGROUPS>;
var<workgroup> weight_tile: array<RowPart, ROW_SUBGROUPS>;
//#if bias
// The bias of the tile's rows, once for each token of a fragment.
var<workgroup> bias_tile: array<f32, EDGE * TILE_ROWS>;
//#endif

fn load_x(first_token: u32, step: u32, at: u32) -> vec4<u32> {
  let token = min(first_token + at / STEP_VEC8S, state.rows - 1u);
  // Columns past the end meet weights of zero.
  let column = min(step * STEP_VEC8S + at % STEP_VEC8S, params.groups * 4u - 1u);
  return x[token * params.groups * 4u + column];
}

fn store_x(at: u32, halves: vec4<u32>) {
  let token = at / STEP_VEC8S;
  x_tile[token / SUBGROUP_TOKENS][token % SUBGROUP_TOKENS * TILE_STRIDE + at % STEP_VEC8S] = halves;
}

// The row of the matrix that is a row of the tile.
fn matrix_row(first_row: u32, row: u32) -> u32 {
//#if gated
  let outputs = params.rows / 2u;
  let output = min(first_row / 2u + row / (2u * EDGE) * EDGE + row % EDGE, outputs - 1u);
  return output + row / EDGE % 2u * outputs;
//#else
  return min(first_row + row, params.rows - 1u);
//#endif
}

fn load_weights(first_row: u32, step: u32, at: u32) -> RawGroup {
  let row = matrix_row(first_row, at / STEP_GROUPS);
  let group = min(step * STEP_GROUPS + at % STEP_GROUPS, params.groups - 1u);
  return load_raw(row * params.row_vec4s, group, params.groups * 32u);
}

//#if scales
// They stand behind the numbers of a row.
fn load_scales(first_row: u32, step: u32, at: u32) -> vec4<u32> {
  let row = matrix_row(first_row, at / STEP_GROUPS);
  return weights[row * params.row_vec4s + params.groups * NUMBER_VEC4S + step * STEP_GROUPS / SCALE_GROUPS];
}
//#endif

// Of a group past the end, zeros.
fn ready_weights(step: u32, at: u32, raw: RawGroup) -> array<vec4<f16>, 8> {
  if (params.groups % STEP_GROUPS != 0u && step * STEP_GROUPS + at % STEP_GROUPS >= params.groups) {
    return array<vec4<f16>, 8>();
  }
  return decode_half(raw);
}

fn store_weights(at: u32, ready: array<vec4<f16>, 8>) {
  let row = at / STEP_GROUPS;
  let part = &weight_tile[row / SUBGROUP_ROWS];
  let to = row % SUBGROUP_ROWS * TILE_STRIDE + at % STEP_GROUPS * 4u;
  part[to] = vec8_of(ready[0], ready[1]);
  part[to + 1u] = vec8_of(ready[2], ready[3]);
  part[to + 2u] = vec8_of(ready[4], ready[5]);
  part[to + 3u] = vec8_of(ready[6], ready[7]);
}

fn vec8_of(a: vec4<f16>, b: vec4<f16>) -> vec4<u32> {
  return vec4<u32>(bitcast<vec2<u32>>(a), bitcast<vec2<u32>>(b));
}

//#if gated
// A fragment of gates beside one of ups, in single precision, where the subgroups' rows of the matrix lay. Neighbouring rows start in other
// banks.
const PAIR_STRIDE: u32 = 2u * EDGE / 4u + 1u;
const PAIR_VEC4S: u32 = EDGE * PAIR_STRIDE;
const_assert TOKEN_SUBGROUPS * PAIR_VEC4S <= SUBGROUP_ROWS * TILE_STRIDE;

fn activate(gate: vec4<f32>, up: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(activation(gate.x), activation(gate.y), activation(gate.z), activation(gate.w)) * up;
}

fn halves_of(a: vec4<f32>, b: vec4<f32>) -> vec4<u32> {
  return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

// Two invocations share a token of the subgroup's pair, eight outputs each.
fn write_activated(subgroup: u32, lane: u32, token: u32, output: u32) {
  if (token >= state.rows || output >= params.rows / 2u) {
    return;
  }
  let part = &weight_tile[subgroup % ROW_SUBGROUPS];
  let gate = subgroup / ROW_SUBGROUPS * PAIR_VEC4S + lane / 2u * PAIR_STRIDE + lane % 2u * 2u;
  let up = gate + EDGE / 4u;
  y[(token * params.y_stride + output) / 8u] = halves_of(
    activate(bitcast<vec4<f32>>(part[gate]), bitcast<vec4<f32>>(part[up])),
    activate(bitcast<vec4<f32>>(part[gate + 1u]), bitcast<vec4<f32>>(part[up + 1u])),
  );
}
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_id) subgroup: u32,
//#if gated
  @builtin(subgroup_invocation_id) lane: u32,
//#endif
) {
  let first_token = workgroup.z * TILE_TOKENS;
  let first_row = workgroup.x * TILE_ROWS;
  let token_part = subgroup / ROW_SUBGROUPS;
  let row_part = subgroup % ROW_SUBGROUPS;
  let token_base = token_part * SUBGROUP_TOKENS;
  let row_base = row_part * SUBGROUP_ROWS;
//#if !gated
  let y_base = (first_token + token_base) * params.y_stride + params.y_offset + first_row + row_base;
//#endif
//#repeat T TOKEN_FRAGMENTS
//#repeat R ROW_FRAGMENTS
  var sums_T_R: subgroup_matrix_result<f32, EDGE, EDGE>;
//#endrepeat
//#endrepeat
//#if bias
  for (var i = invocation; i < EDGE * TILE_ROWS; i += WORKGROUP) {
    bias_tile[i] = bias[min(first_row + i % TILE_ROWS, params.rows - 1u)];
  }
  workgroupBarrier();
//#repeat T TOKEN_FRAGMENTS
//#repeat R ROW_FRAGMENTS
  sums_T_R = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
    &bias_tile, row_base + R * EDGE, TILE_ROWS);
//#endrepeat
//#endrepeat
//#endif
//#if residual
//#repeat T TOKEN_FRAGMENTS
//#repeat R ROW_FRAGMENTS
  if (first_token + token_base + T * EDGE < state.rows && first_row + row_base + R * EDGE < params.rows) {
    sums_T_R = subgroupMatrixLoad<subgroup_matrix_result<f32, EDGE, EDGE>, row_major>(
      &y, y_base + T * EDGE * params.y_stride + R * EDGE, params.y_stride);
  }
//#endrepeat
//#endrepeat
//#endif

//#repeat I X_LOADS
  var halves_I = load_x(first_token, 0u, I * WORKGROUP + invocation);
//#endrepeat
//#repeat I GROUP_LOADS
  var raw_I = load_weights(first_row, 0u, I * WORKGROUP + invocation);
//#if scales
  var scales_I = load_scales(first_row, 0u, I * WORKGROUP + invocation);
//#endif
//#endrepeat
//#if ahead
//#repeat I X_LOADS
  var later_halves_I = load_x(first_token, min(1u, STEPS - 1u), I * WORKGROUP + invocation);
//#endrepeat
//#repeat I GROUP_LOADS
  var later_raw_I = load_weights(first_row, min(1u, STEPS - 1u), I * WORKGROUP + invocation);
//#endrepeat
//#endif
  for (var step = 0u; step < STEPS; step++) {
//#if ahead
//#repeat I GROUP_LOADS
//#if scales
    raw_I = with_scale(raw_I, scales_I, step * STEP_GROUPS + (I * WORKGROUP + invocation) % STEP_GROUPS);
//#endif
    let ready_I = ready_weights(step, I * WORKGROUP + invocation, raw_I);
//#endrepeat
//#endif
    workgroupBarrier();
//#repeat I X_LOADS
    store_x(I * WORKGROUP + invocation, halves_I);
//#endrepeat
//#if !ahead
//#repeat I GROUP_LOADS
//#if scales
    raw_I = with_scale(raw_I, scales_I, step * STEP_GROUPS + (I * WORKGROUP + invocation) % STEP_GROUPS);
//#endif
    let ready_I = ready_weights(step, I * WORKGROUP + invocation, raw_I);
//#endrepeat
//#endif
//#repeat I GROUP_LOADS
    store_weights(I * WORKGROUP + invocation, ready_I);
//#endrepeat
    workgroupBarrier();
    // The last step loads its own tiles again, and drops them.
    let next = min(step + 1u, STEPS - 1u);
//#if ahead
    let later = min(step + 2u, STEPS - 1u);
//#repeat I X_LOADS
    halves_I = later_halves_I;
    later_halves_I = load_x(first_token, later, I * WORKGROUP + invocation);
//#endrepeat
//#repeat I GROUP_LOADS
    raw_I = later_raw_I;
    later_raw_I = load_weights(first_row, later, I * WORKGROUP + invocation);
//#endrepeat
//#else
//#repeat I X_LOADS
    halves_I = load_x(first_token, next, I * WORKGROUP + invocation);
//#endrepeat
//#repeat I GROUP_LOADS
    raw_I = load_weights(first_row, next, I * WORKGROUP + invocation);
//#endrepeat
//#endif
//#if scales
    if (next * STEP_GROUPS % SCALE_GROUPS == 0u) {
//#repeat I GROUP_LOADS
      scales_I = load_scales(first_row, next, I * WORKGROUP + invocation);
//#endrepeat
    }
//#endif
//#repeat C COLUMN_FRAGMENTS
    {
//#repeat R ROW_FRAGMENTS
      let rows_R = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], R * EDGE * TILE_STRIDE + C * EDGE / 8u, TILE_STRIDE);
//#endrepeat
//#repeat T TOKEN_FRAGMENTS
      let tokens_T = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], T * EDGE * TILE_STRIDE + C * EDGE / 8u, TILE_STRIDE);
//#repeat R ROW_FRAGMENTS
      sums_T_R = subgroupMatrixMultiplyAccumulate(tokens_T, rows_R, sums_T_R);
//#endrepeat
//#endrepeat
    }
//#endrepeat
  }

//#if gated
  let pair = token_part * PAIR_VEC4S;
  workgroupBarrier();
//#endif
//#repeat T TOKEN_FRAGMENTS
//#repeat R ROW_FRAGMENTS
//#if gated
  subgroupMatrixStore<row_major>(&weight_tile[row_part], pair + R % 2u * EDGE / 4u, sums_T_R, PAIR_STRIDE);
  if (R % 2u == 1u) {
    workgroupBarrier();
    write_activated(
      subgroup, lane, first_token + token_base + T * EDGE + lane / 2u,
      (first_row + row_base) / 2u + R / 2u * EDGE + lane % 2u * 8u);
    workgroupBarrier();
  }
//#else
  if (first_token + token_base + T * EDGE < state.rows && first_row + row_base + R * EDGE < params.rows) {
    subgroupMatrixStore<row_major>(&y, y_base + T * EDGE * params.y_stride + R * EDGE, sums_T_R, params.y_stride);
  }
//#endif
//#endrepeat
//#endrepeat
}
