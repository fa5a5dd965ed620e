// weight = scale · (q − 16). Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, a half-precision scale a group.
//#import lib/unpack-nibbles
//#import lib/scaled-group

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

fn scale_of(raw: RawGroup) -> f32 {
  return raw.scale;
}

fn numbers_of(raw: RawGroup) -> Group {
  return Group(
    low_nibbles_less(raw.numbers.x, 16.0) + 16.0 * bits_at(raw.fifth, 0u),
    high_nibbles_less(raw.numbers.x, 16.0) + 16.0 * bits_at(raw.fifth, 4u),
    low_nibbles_less(raw.numbers.y, 16.0) + 16.0 * bits_at(raw.fifth, 8u),
    high_nibbles_less(raw.numbers.y, 16.0) + 16.0 * bits_at(raw.fifth, 12u),
    low_nibbles_less(raw.numbers.z, 16.0) + 16.0 * bits_at(raw.fifth, 16u),
    high_nibbles_less(raw.numbers.z, 16.0) + 16.0 * bits_at(raw.fifth, 20u),
    low_nibbles_less(raw.numbers.w, 16.0) + 16.0 * bits_at(raw.fifth, 24u),
    high_nibbles_less(raw.numbers.w, 16.0) + 16.0 * bits_at(raw.fifth, 28u),
  );
}
