const WORKGROUP: u32 = 16u;
struct Params {
  groups: u32,
  row_vec4s: u32,
  vocabulary: u32,
  first_token: u32,
  scale: f32,
}
const params = Params(1u, 8u, 61u, 0u, 1f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
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
// y[row] = weights[token of row] · scale, decoded from its storage format. An invocation makes a group of 32.
// part: the matrix begins with token `first_token`, and rows of tokens that are not in it are left as they are.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let group = id.x;
  let row = id.z;
  if (group >= params.groups || row >= state.rows) {
    return;
  }
  let token = min(state.tokens[row], params.vocabulary - 1u);
  let values = decode(load_raw(token * params.row_vec4s, group, params.groups * 32u));
  let at = (row * params.groups + group) * 8u;
  for (var i = 0u; i < 8u; i++) {
    y[at + i] = values[i] * params.scale;
  }
}
