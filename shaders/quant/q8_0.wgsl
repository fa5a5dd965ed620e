// weight = scale · q. Planes of a row: 32 signed bytes a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let a = weights[row_base + group * 2u];
  let b = weights[row_base + group * 2u + 1u];
  let scale = weight_half(row_base, columns / 2u + group);
  return array<vec4<f32>, 8>(
    signed_bytes(a.x) * scale, signed_bytes(a.y) * scale, signed_bytes(a.z) * scale, signed_bytes(a.w) * scale,
    signed_bytes(b.x) * scale, signed_bytes(b.y) * scale, signed_bytes(b.z) * scale, signed_bytes(b.w) * scale,
  );
}
