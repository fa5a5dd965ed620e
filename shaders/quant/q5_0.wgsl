// weight = scale · (q − 16). Planes of a row: 16 bytes and then a word of numbers a group, a half-precision scale a group.
//#import lib/nibble-group
//#import lib/scaled-group

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base, columns / 8u + group),
    weight_half(row_base, columns / 4u + columns / 16u + group),
  );
}

fn numbers_of(raw: RawGroup) -> Group {
  return group_of_bytes(five_bit_bytes(raw.numbers, raw.fifth), 16.0);
}

//#if fixed
fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(five_bit_bytes(raw.numbers, raw.fifth), x)) - 16.0 * sum_of(x);
}
//#endif
