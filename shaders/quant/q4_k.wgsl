// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/nibble-group
//#import lib/six-bit-scales
//#import lib/affine-group

struct RawGroup {
  numbers: vec4<u32>,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weights[row_base + columns / 32u + group / 8u], group % 8u);
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  let factors = scale_and_minimum(raw.scales, raw.at);
  return vec2<f32>(factors.x, -factors.y);
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 0.0);
}

//#if fixed
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return nibble_bytes(raw.numbers);
}
//#endif
