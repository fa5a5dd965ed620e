const WORKGROUP: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
const KV_HEADS: u32 = 3u;
struct Params {
  heads: u32,
  kv_heads: u32,
  group_size: u32,
  context_length: u32,
  staged_rows: u32,
  first_value: u32,
}
const params = Params(9u, 3u, 3u, 8u, 7u, 336u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> staged: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> narrow_queries: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(8) var<uniform> head_widths: array<vec4<u32>, KV_HEADS>;
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
// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys and the values of a pass become coefficients of their head's basis, as many as
// the head keeps, and go into the cache; queries become coefficients of the basis of their keys, so that products stay what they
// are. Values lose their mean first; keys need not, since a part that all keys have in common changes no softmax.
// An invocation makes four coefficients of one head.

// Four components of what is projected: of a query, or of a key or value of the pass.
fn input_quad(head: u32, row: u32, i: u32) -> vec4<f32> {
  if (head < params.heads) {
    return queries[(row * params.heads + head) * HEAD_DIM_VEC4S + i];
  }
  let part = head - params.heads;
  if (part < params.kv_heads) {
    return staged[(part * params.staged_rows + row) * HEAD_DIM_VEC4S + i];
  }
  let kv_head = part - params.kv_heads;
  let value = staged[params.first_value + (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S + i];
  return value - mean[kv_head * HEAD_DIM_VEC4S + i];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let is_query = head < params.heads;
  let is_value = head >= params.heads + params.kv_heads;
  // Number of the basis: those of keys come first.
  let own_basis = select(head - params.heads, head / params.group_size, is_query);
  let kv_head = own_basis % params.kv_heads;
  let widths = head_widths[kv_head] / 4u;
  let before = select(widths.x, widths.z, is_value);
  let width = select(widths.y, widths.w, is_value);
  var coefficients = vec4<f32>();
  if (quad < width) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      coefficients += projected(own_basis, input_quad(head, row, i), i, quad);
    }
  }
  if (is_query) {
    // Those that no key has are zero: kernels read whole heads.
    narrow_queries[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = coefficients;
    return;
  }
  if (quad >= width) {
    return;
  }
  let at = before * params.context_length + (state.position + row) * width + quad;
  if (is_value) {
    v_cache[at] = pack_stored(coefficients);
  } else {
    k_cache[at] = pack_stored(coefficients);
  }
}
