// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): for each KV head HEAD_DIM_VEC4S * 4 basis vectors, most important first, in halves.

// Components 4 quad to 4 quad + 3 of vector j.
fn basis_quad(kv_head: u32, j: u32, quad: u32) -> vec4<f32> {
  let halves = basis[(kv_head * HEAD_DIM_VEC4S * 4u + j) * HEAD_DIM_VEC4S + quad];
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
