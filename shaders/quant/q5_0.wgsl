// weight = scale · (q − 16). Planes of a row: 16 bytes and then a word of numbers a group, a half-precision scale a group.
//#import lib/nibble-group
//#import lib/scaled-group

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base, columns / 8u + group),
    weight_half(row_base, columns / 4u + columns / 16u + group),
  );
}

fn scale_of(raw: RawGroup) -> f32 {
  return raw.scale;
}

fn numbers_of(raw: RawGroup) -> Group {
  return group_of_bytes(five_bit_bytes(raw.numbers, raw.fifth), 16.0);
}

//#if fixed
const NUMBER_BIAS: f32 = 16.0;

fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return five_bit_bytes(raw.numbers, raw.fifth);
}
//#endif
