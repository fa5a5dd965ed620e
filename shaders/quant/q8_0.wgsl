// weight = scale · q. Planes of a row: 32 signed bytes a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 2u;
  return RawGroup(weights[at], weights[at + 1u], weight_half(row_base, columns / 2u + group));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    signed_bytes(raw.a.x) * raw.scale, signed_bytes(raw.a.y) * raw.scale, signed_bytes(raw.a.z) * raw.scale, signed_bytes(raw.a.w) * raw.scale,
    signed_bytes(raw.b.x) * raw.scale, signed_bytes(raw.b.y) * raw.scale, signed_bytes(raw.b.z) * raw.scale, signed_bytes(raw.b.w) * raw.scale,
  );
}
