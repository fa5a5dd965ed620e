// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, scale and minimum (half) a group.
//#import lib/unpack-nibbles
//#import lib/affine-group

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  // Scale and minimum.
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base * 4u + columns / 8u + group),
    weight_word(row_base * 4u + columns / 8u + columns / 32u + group),
  );
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return unpack2x16float(raw.factors);
}

fn numbers_of(raw: RawGroup) -> Group {
  return Group(
    low_nibbles_less(raw.numbers.x, 0.0) + 16.0 * bits_at(raw.fifth, 0u),
    high_nibbles_less(raw.numbers.x, 0.0) + 16.0 * bits_at(raw.fifth, 4u),
    low_nibbles_less(raw.numbers.y, 0.0) + 16.0 * bits_at(raw.fifth, 8u),
    high_nibbles_less(raw.numbers.y, 0.0) + 16.0 * bits_at(raw.fifth, 12u),
    low_nibbles_less(raw.numbers.z, 0.0) + 16.0 * bits_at(raw.fifth, 16u),
    high_nibbles_less(raw.numbers.z, 0.0) + 16.0 * bits_at(raw.fifth, 20u),
    low_nibbles_less(raw.numbers.w, 0.0) + 16.0 * bits_at(raw.fifth, 24u),
    high_nibbles_less(raw.numbers.w, 0.0) + 16.0 * bits_at(raw.fifth, 28u),
  );
}
