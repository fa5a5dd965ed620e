// weight = scale · q + minimum. Planes of a row: 16 bytes and then a word of numbers a group, scale and minimum (half) a group.
//#import lib/nibble-group
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
    weight_word(row_base, columns / 8u + group),
    weight_word(row_base, columns / 8u + columns / 32u + group),
  );
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return unpack2x16float(raw.factors);
}

fn numbers_of(raw: RawGroup) -> Group {
  return group_of_bytes(five_bit_bytes(raw.numbers, raw.fifth), 0.0);
}

//#if fixed
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return five_bit_bytes(raw.numbers, raw.fifth);
}
//#endif
