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
