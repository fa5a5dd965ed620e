const WORKGROUP: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
const KV_HEADS: u32 = 2u;
struct Params {
  heads: u32,
  kv_heads: u32,
  group_size: u32,
}
const params = Params(4u, 2u, 2u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> narrow: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<uniform> head_widths: array<vec4<u32>, KV_HEADS>;
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
// Orthogonal bases of MatryoshkaKV (arXiv 2410.14731): for each KV head HEAD_DIM basis vectors, most important first, of keys and then of
// values, in halves.

// Components 4 quad to 4 quad + 3 of vector j.
fn basis_quad(kv_head: u32, j: u32, quad: u32) -> vec4<f32> {
  let halves = basis[(kv_head * HEAD_DIM_VEC4S * 4u + j) * HEAD_DIM_VEC4S + quad];
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(kv_head: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(kv_head, quad * 4u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 1u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 2u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 3u, i)),
  );
}

// What four coefficients, of vectors 4 j to 4 j + 3, contribute to components 4 quad to 4 quad + 3.
fn unprojected(kv_head: u32, coefficients: vec4<f32>, j: u32, quad: u32) -> vec4<f32> {
  return coefficients.x * basis_quad(kv_head, j * 4u, quad) + coefficients.y * basis_quad(kv_head, j * 4u + 1u, quad)
    + coefficients.z * basis_quad(kv_head, j * 4u + 2u, quad) + coefficients.w * basis_quad(kv_head, j * 4u + 3u, quad);
}
// How four components of a head's output are stored.
alias Output = vec2<u32>;

fn pack_output(value: vec4<f32>) -> Output {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// out = gate · (mean + Σ_j attended_j · basis vector j): what attention made of coefficients of values (see kv-project) becomes the output
// of a head again. Weights of a softmax sum to one, so the mean that the values lost is added once. An invocation makes four
// components of one head. gated: times the head's gate.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads || row >= state.rows) {
    return;
  }
  let kv_head = head / params.group_size;
  let first = (row * params.heads + head) * HEAD_DIM_VEC4S;
  var gate = 1.0;
  gate = gates[row * params.heads + head];
  if (gate == 0.0) {
    out[first + quad] = pack_output(vec4<f32>());
    return;
  }
  let value_basis = params.kv_heads + kv_head;
  var sum = mean[kv_head * HEAD_DIM_VEC4S + quad];
  for (var j = 0u; j < head_widths[kv_head].w / 4u; j++) {
    sum += unprojected(value_basis, narrow[first + j], j, quad);
  }
  out[first + quad] = pack_output(sum * gate);
}
