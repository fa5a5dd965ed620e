// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes 64 tokens × 64 rows; both tiles of a group of 32 columns lie in workgroup memory,
//         columns outermost. An invocation holds 4×4 sums.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
//
// gated:  rows `row` (gate) and `row + rows` (up) give activation(gate) · up (Shazeer 2020, arXiv 2002.05202).
//#import lib/state
//#import lib/stored-{x}
//#if matrix
//#import lib/matrix-tiles
//#else
//#import lib/dot-group
//#import quant/{quant}
//#endif
//#if gated
//#import lib/activation-{activation}
//#endif

//#if half_output
alias Output = Stored;
//#else
alias Output = f32;
//#endif

//#if !half_output
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
//#endif

//#if gated
//#if half_output
// Four neighbouring outputs of a token.
fn write_gated(token: u32, row: u32, gate: vec4<f32>, up: vec4<f32>) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let value = vec4<f32>(activation(gate.x), activation(gate.y), activation(gate.z), activation(gate.w)) * up;
  y[(token * params.y_stride + params.y_offset + row) / 4u] = pack_stored(value);
}
//#else
fn write_gated(token: u32, row: u32, gate: vec4<f32>, up: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    write_output(token, row + i, activation(gate[i]) * up[i]);
  }
}
//#endif
//#endif

//#if matrix
//#else
//#if tiled
const TILE: u32 = 64u;
const TILE_VEC4S: u32 = 16u;
const GROUP_ELEMENTS: u32 = 32u;
const INVOCATIONS: u32 = 256u;

// [column][token / 4] and [column][row / 4].
var<workgroup> x_tile: array<vec4<f32>, 512>;
var<workgroup> weight_tile: array<vec4<f32>, 512>;

fn bring_x(first_token: u32, group: u32, invocation: u32) {
  for (var i = invocation; i < TILE * 8u; i += INVOCATIONS) {
    let token = i / 8u;
    let source = min(first_token + token, state.rows - 1u);
    let value = unpack_stored(x[(source * params.groups + group) * 8u + i % 8u]);
    let column = i % 8u * 4u;
    for (var c = 0u; c < 4u; c++) {
      x_tile[(column + c) * TILE_VEC4S + token / 4u][token % 4u] = value[c];
    }
  }
}

// The row of the matrix behind a row of the tile.
fn source_row(first_row: u32, tile_row: u32) -> u32 {
//#if gated
  // Two gates, then their ups: both end in the same invocation.
  let row = first_row / 2u + tile_row / 4u * 2u + tile_row % 2u;
  return min(row, params.rows - 1u) + select(0u, params.rows, tile_row % 4u >= 2u);
//#else
  return min(first_row + tile_row, params.rows - 1u);
//#endif
}

// An invocation decodes a whole group of one row.
fn bring_weights(first_row: u32, group: u32, invocation: u32) {
  if (invocation >= TILE) {
    return;
  }
  let row = source_row(first_row, invocation);
  let weights_group = load_group(row * params.row_vec4s, group, params.groups * GROUP_ELEMENTS);
  for (var c = 0u; c < GROUP_ELEMENTS; c++) {
    weight_tile[c * TILE_VEC4S + invocation / 4u][invocation % 4u] = weights_group[c / 4u][c % 4u];
  }
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let first_row = workgroup.x * TILE;
  let first_token = workgroup.z * TILE;
  var sums: array<vec4<f32>, 4>;
  for (var group = 0u; group < params.groups; group++) {
    workgroupBarrier();
    bring_x(first_token, group, invocation);
    bring_weights(first_row, group, invocation);
    workgroupBarrier();
    for (var c = 0u; c < GROUP_ELEMENTS; c++) {
      let tokens = x_tile[c * TILE_VEC4S + local.y];
      let rows = weight_tile[c * TILE_VEC4S + local.x];
      sums[0] += tokens.x * rows;
      sums[1] += tokens.y * rows;
      sums[2] += tokens.z * rows;
      sums[3] += tokens.w * rows;
    }
  }
  for (var t = 0u; t < 4u; t++) {
    let token = first_token + local.y * 4u + t;
//#if gated
    let row = first_row / 2u + local.x * 2u;
    write_output(token, row, activation(sums[t].x) * sums[t].z);
    write_output(token, row + 1u, activation(sums[t].y) * sums[t].w);
//#else
    for (var r = 0u; r < 4u; r++) {
      write_output(token, first_row + local.x * 4u + r, sums[t][r]);
    }
//#endif
  }
}
//#else
fn load_x(token: u32, group: u32) -> Group {
  let at = (min(token, state.rows - 1u) * params.groups + group) * 8u;
  return Group(
    unpack_stored(x[at]), unpack_stored(x[at + 1u]), unpack_stored(x[at + 2u]), unpack_stored(x[at + 3u]),
    unpack_stored(x[at + 4u]), unpack_stored(x[at + 5u]), unpack_stored(x[at + 6u]), unpack_stored(x[at + 7u]),
  );
}

alias TokenSums = array<f32, TOKENS>;

fn row_sums(first_token: u32, row: u32) -> TokenSums {
  var sums: TokenSums;
  for (var group = 0u; group < params.groups; group++) {
    let weights_group = load_group(row * params.row_vec4s, group, params.groups * 32u);
    for (var t = 0u; t < TOKENS; t++) {
      sums[t] += dot_group(weights_group, load_x(first_token + t, group));
    }
  }
  return sums;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let first_token = id.z * TOKENS;
  let sums = row_sums(first_token, row);
//#if gated
  let ups = row_sums(first_token, row + params.rows);
//#endif
  for (var t = 0u; t < TOKENS; t++) {
//#if gated
    write_output(first_token + t, row, activation(sums[t]) * ups[t]);
//#else
    write_output(first_token + t, row, sums[t]);
//#endif
  }
}
//#endif
//#endif
