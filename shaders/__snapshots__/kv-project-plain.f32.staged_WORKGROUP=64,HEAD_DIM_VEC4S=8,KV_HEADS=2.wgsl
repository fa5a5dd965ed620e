const WORKGROUP: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 8u;
const KV_HEADS: u32 = 2u;
struct Params {
  heads: u32,
  kv_heads: u32,
  group_size: u32,
  context_length: u32,
  staged_rows: u32,
  first_value: u32,
}
const params = Params(4u, 2u, 2u, 36u, 5u, 80u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> staged: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read_write> narrow_queries: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(6) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(7) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
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
// How wide keys and values of each KV head are in caches of MatryoshkaKV, in components, and where a head begins: what heads before it take of
// a token. Blocks are those of packed caches.
struct HeadWidths {
  first_key: u32,
  key: u32,
  first_value: u32,
  value: u32,
  first_block: u32,
  blocks: u32,
  padding: vec2<u32>,
}
// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): for each KV head HEAD_DIM_VEC4S * 4 basis vectors, most important first, in halves.

// Components 4 quad to 4 quad + 3 of vector j.
fn basis_quad(kv_head: u32, j: u32, quad: u32) -> vec4<f32> {
  let halves = basis[(kv_head * HEAD_DIM_VEC4S * 4u + j) * HEAD_DIM_VEC4S + quad];
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys of a pass become coefficients of their head's basis, as many as the head keeps, and
// go into the cache; queries become coefficients of the same basis, so that products stay what they are. What all keys have in common
// changes no softmax, so no mean is taken. Values are projected into their basis already (the file's weights are of it): the first of
// them are kept. An invocation makes four components of one head.
// staged: keys and values are put where they stand in the pass, on their way to a packed cache.

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(kv_head: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(kv_head, quad * 4u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 1u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 2u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 3u, i)),
  );
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let slot = row;
  let is_query = head < params.heads;
  let kv_head = select((head - params.heads) % params.kv_heads, head / params.group_size, is_query);
  let from_token = (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S;
  let widths = head_widths[kv_head];
  if (head >= params.heads + params.kv_heads) {
    if (quad * 4u < widths.value) {
      let at = (widths.first_value * params.context_length + slot * widths.value) / 4u;
      v_cache[at + quad] = pack_stored(staged[params.first_value + from_token + quad]);
    }
    return;
  }
  let from_query = (row * params.heads + head) * HEAD_DIM_VEC4S;
  var coefficients = vec4<f32>();
  if (quad * 4u < widths.key) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      var given: vec4<f32>;
      if (is_query) {
        given = queries[from_query + i];
      } else {
        given = staged[from_token + i];
      }
      coefficients += projected(kv_head, given, i, quad);
    }
  }
  if (is_query) {
    // Those that no key has are zero: kernels read whole heads.
    narrow_queries[from_query + quad] = coefficients;
  } else if (quad * 4u < widths.key) {
    let at = (widths.first_key * params.context_length + slot * widths.key) / 4u;
    k_cache[at + quad] = pack_stored(coefficients);
  }
}
