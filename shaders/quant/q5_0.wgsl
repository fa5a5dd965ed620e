// weight = scale · (q − 16). Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, a half-precision scale a group.
//#import lib/unpack-nibbles

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base * 4u + columns / 8u + group),
    weight_half(row_base, columns / 4u + columns / 16u + group),
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let scale = vec4<f32>(raw.scale);
  let offset = vec4<f32>(-16.0 * raw.scale);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x) + 16.0 * bits_at(raw.fifth, 0u), scale, offset),
    fma(high_nibbles(raw.numbers.x) + 16.0 * bits_at(raw.fifth, 4u), scale, offset),
    fma(low_nibbles(raw.numbers.y) + 16.0 * bits_at(raw.fifth, 8u), scale, offset),
    fma(high_nibbles(raw.numbers.y) + 16.0 * bits_at(raw.fifth, 12u), scale, offset),
    fma(low_nibbles(raw.numbers.z) + 16.0 * bits_at(raw.fifth, 16u), scale, offset),
    fma(high_nibbles(raw.numbers.z) + 16.0 * bits_at(raw.fifth, 20u), scale, offset),
    fma(low_nibbles(raw.numbers.w) + 16.0 * bits_at(raw.fifth, 24u), scale, offset),
    fma(high_nibbles(raw.numbers.w) + 16.0 * bits_at(raw.fifth, 28u), scale, offset),
  );
}
