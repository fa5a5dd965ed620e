// weight = scale · (q − 8). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

struct RawGroup {
  numbers: vec4<u32>,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let scale = vec4<f32>(raw.scale);
  let offset = vec4<f32>(-8.0 * raw.scale);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x), scale, offset), fma(high_nibbles(raw.numbers.x), scale, offset),
    fma(low_nibbles(raw.numbers.y), scale, offset), fma(high_nibbles(raw.numbers.y), scale, offset),
    fma(low_nibbles(raw.numbers.z), scale, offset), fma(high_nibbles(raw.numbers.z), scale, offset),
    fma(low_nibbles(raw.numbers.w), scale, offset), fma(high_nibbles(raw.numbers.w), scale, offset),
  );
}
