// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): HEAD_DIM_VEC4S * 4 basis vectors of a KV head, most important first, in halves.

// From where on the basis of a head stands in the bases of a layer.
fn basis_of(kv_head: u32) -> u32 {
  return kv_head * HEAD_DIM_VEC4S * 4u * HEAD_DIM_VEC4S;
}

// Four components out of their halves.
fn basis_components(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// Components 4 quad to 4 quad + 3 of vector j of the basis from `first` on.
fn basis_quad(first: u32, j: u32, quad: u32) -> vec4<f32> {
  return basis_components(basis[first + j * HEAD_DIM_VEC4S + quad]);
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(first, quad * 4u, i)),
    dot(given, basis_quad(first, quad * 4u + 1u, i)),
    dot(given, basis_quad(first, quad * 4u + 2u, i)),
    dot(given, basis_quad(first, quad * 4u + 3u, i)),
  );
}

// What coefficients 4 i to 4 i + 3 contribute to components 4 quad to 4 quad + 3.
fn unprojected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return mat4x4<f32>(
    basis_quad(first, i * 4u, quad),
    basis_quad(first, i * 4u + 1u, quad),
    basis_quad(first, i * 4u + 2u, quad),
    basis_quad(first, i * 4u + 3u, quad),
  ) * given;
}
