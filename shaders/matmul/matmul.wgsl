// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// tiled: a workgroup of 16×16 makes 64 tokens × 64·ROW_QUADS rows; both tiles of a group of 32 columns lie in workgroup memory,
//        columns outermost. An invocation holds 4 × 4·ROW_QUADS sums.
// else:  barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
//#import lib/state
//#import lib/dot-group
//#import quant/{quant}

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
//#if bias
  value += bias[row];
//#endif
//#if residual
  value += y[at];
//#endif
  y[at] = value;
}

//#if tiled
const TOKENS_PER_TILE: u32 = 64u;
const ROWS_PER_TILE: u32 = 64u * ROW_QUADS;
const GROUP_ELEMENTS: u32 = 32u;
const INVOCATIONS: u32 = 256u;

// [column][token / 4] and [column][row / 4].
var<workgroup> x_tile: array<vec4<f32>, 512>;
var<workgroup> weight_tile: array<vec4<f32>, 512u * ROW_QUADS>;

fn bring_x(first_token: u32, group: u32, invocation: u32) {
  for (var i = invocation; i < TOKENS_PER_TILE * 8u; i += INVOCATIONS) {
    let token = i / 8u;
    let source = min(first_token + token, state.rows - 1u);
    let value = x[(source * params.groups + group) * 8u + i % 8u];
    let column = i % 8u * 4u;
    for (var c = 0u; c < 4u; c++) {
      x_tile[(column + c) * (TOKENS_PER_TILE / 4u) + token / 4u][token % 4u] = value[c];
    }
  }
}

// An invocation decodes a whole group of one row.
fn bring_weights(first_row: u32, group: u32, invocation: u32) {
  if (invocation >= ROWS_PER_TILE) {
    return;
  }
  let row = min(first_row + invocation, params.rows - 1u);
  let weights_group = load_group(row * params.row_vec4s, group, params.groups * GROUP_ELEMENTS);
  for (var c = 0u; c < GROUP_ELEMENTS; c++) {
    weight_tile[c * (ROWS_PER_TILE / 4u) + invocation / 4u][invocation % 4u] = weights_group[c / 4u][c % 4u];
  }
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let first_row = workgroup.x * ROWS_PER_TILE;
  let first_token = workgroup.z * TOKENS_PER_TILE;
  // Sums of four tokens with four rows each, ROW_QUADS times.
  var sums: array<vec4<f32>, 4u * ROW_QUADS>;
  for (var group = 0u; group < params.groups; group++) {
    workgroupBarrier();
    bring_x(first_token, group, invocation);
    bring_weights(first_row, group, invocation);
    workgroupBarrier();
    for (var c = 0u; c < GROUP_ELEMENTS; c++) {
      let tokens = x_tile[c * (TOKENS_PER_TILE / 4u) + local.y];
      for (var q = 0u; q < ROW_QUADS; q++) {
        // Quads of rows lie 16 apart, so that neighbouring invocations read neighbouring words.
        let rows = weight_tile[c * (ROWS_PER_TILE / 4u) + q * 16u + local.x];
        sums[q * 4u] += tokens.x * rows;
        sums[q * 4u + 1u] += tokens.y * rows;
        sums[q * 4u + 2u] += tokens.z * rows;
        sums[q * 4u + 3u] += tokens.w * rows;
      }
    }
  }
  for (var q = 0u; q < ROW_QUADS; q++) {
    for (var t = 0u; t < 4u; t++) {
      for (var r = 0u; r < 4u; r++) {
        write_output(first_token + local.y * 4u + t, first_row + (q * 16u + local.x) * 4u + r, sums[q * 4u + t][r]);
      }
    }
  }
}
//#else
fn load_x(token: u32, group: u32) -> Group {
  let at = (min(token, state.rows - 1u) * params.groups + group) * 8u;
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let first_token = id.z * TOKENS;
  var sums: array<f32, TOKENS>;
  for (var group = 0u; group < params.groups; group++) {
    let weights_group = load_group(row * params.row_vec4s, group, params.groups * 32u);
    for (var t = 0u; t < TOKENS; t++) {
      sums[t] += dot_group(weights_group, load_x(first_token + t, group));
    }
  }
  for (var t = 0u; t < TOKENS; t++) {
    write_output(first_token + t, row, sums[t]);
  }
}
//#endif
