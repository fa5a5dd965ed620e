// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, then scale and minimum (half) a group.
//#import lib/nibble-group
//#import lib/affine-group

struct RawGroup {
  numbers: vec4<u32>,
  // Scale and minimum.
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_word(row_base, columns / 8u + group));
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return unpack2x16float(raw.factors);
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 0.0);
}

//#if fixed
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return nibble_bytes(raw.numbers);
}
//#endif
