struct Params {
  rows: u32,
  groups: u32,
  row_vec4s: u32,
  y_stride: u32,
  y_offset: u32,
}
const params = Params(101u, 6u, 48u, 101u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<X>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// Group of 32: eight vec4 as they are.

alias RawGroup = array<vec4<u32>, 8>;

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 8u;
  return RawGroup(
    weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u],
    weights[at + 4u], weights[at + 5u], weights[at + 6u], weights[at + 7u],
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    bitcast<vec4<f32>>(raw[0]), bitcast<vec4<f32>>(raw[1]), bitcast<vec4<f32>>(raw[2]), bitcast<vec4<f32>>(raw[3]),
    bitcast<vec4<f32>>(raw[4]), bitcast<vec4<f32>>(raw[5]), bitcast<vec4<f32>>(raw[6]), bitcast<vec4<f32>>(raw[7]),
  );
}
// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes 64 tokens × 64 rows; both tiles of a group of 32 columns lie in workgroup memory,
//         columns outermost. An invocation holds 4×4 sums.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.

alias X = Stored;

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
  y[at] = value;
}

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
