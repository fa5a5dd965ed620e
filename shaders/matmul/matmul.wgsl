// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes 64 tokens × 64 rows; both tiles of a group of 32 columns lie in workgroup memory,
//         columns outermost. An invocation holds 4×4 sums.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
//#import lib/state
//#if matrix
//#import lib/matrix-tiles
//#else
//#import lib/stored-{x}
//#import lib/dot-group
//#import quant/{quant}

alias X = Stored;

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

// An invocation decodes a whole group of one row.
fn bring_weights(first_row: u32, group: u32, invocation: u32) {
  if (invocation >= TILE) {
    return;
  }
  let row = min(first_row + invocation, params.rows - 1u);
  let weights_group = decode(load_raw(row * params.row_vec4s, group, params.groups * GROUP_ELEMENTS));
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
    for (var r = 0u; r < 4u; r++) {
      write_output(first_token + local.y * 4u + t, first_row + local.x * 4u + r, sums[t][r]);
    }
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

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let first_token = id.z * TOKENS;
  var sums: array<f32, TOKENS>;
  for (var group = 0u; group < params.groups; group++) {
    let weights_group = decode(load_raw(row * params.row_vec4s, group, params.groups * 32u));
    for (var t = 0u; t < TOKENS; t++) {
      sums[t] += dot_group(weights_group, load_x(first_token + t, group));
    }
  }
  for (var t = 0u; t < TOKENS; t++) {
    write_output(first_token + t, row, sums[t]);
  }
}
//#endif
//#endif
