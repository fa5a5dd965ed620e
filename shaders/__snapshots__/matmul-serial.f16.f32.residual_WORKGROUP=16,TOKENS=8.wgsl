const WORKGROUP: u32 = 16u;
const TOKENS: u32 = 8u;
struct Params {
  rows: u32,
  groups: u32,
  row_vec4s: u32,
  y_stride: u32,
  y_offset: u32,
}
const params = Params(64u, 2u, 8u, 64u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<X>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
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
// Group of 32: four vec4 of two half-precision numbers a word.

fn halves(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 4u;
  return RawGroup(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    halves(raw.a.x, raw.a.y), halves(raw.a.z, raw.a.w), halves(raw.b.x, raw.b.y), halves(raw.b.z, raw.b.w),
    halves(raw.c.x, raw.c.y), halves(raw.c.z, raw.c.w), halves(raw.d.x, raw.d.y), halves(raw.d.z, raw.d.w),
  );
}
// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes a square of tokens × rows, EACH × EACH an invocation; both tiles of a group of 32 columns lie in
//         workgroup memory, the next ones are on their way.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.

alias X = Stored;
alias Y = f32;

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
  value += y[at];
  y[at] = value;
}

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
