// weight = scale · (q − 8). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/nibble-group
//#import lib/scaled-group

struct RawGroup {
  numbers: vec4<u32>,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}

fn scale_of(raw: RawGroup) -> f32 {
  return raw.scale;
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 8.0);
}

//#if fixed
const NUMBER_BIAS: f32 = 8.0;

fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return nibble_bytes(raw.numbers);
}
//#endif
