// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/nibble-group
//#import lib/six-bit-scales
//#import lib/affine-group

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base * 4u + columns / 8u + group),
    weights[row_base + columns / 32u + columns / 128u + group / 8u],
    group % 8u,
  );
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  let factors = scale_and_minimum(raw.scales, raw.at);
  return vec2<f32>(factors.x, -factors.y);
}

fn numbers_of(raw: RawGroup) -> Group {
  return five_bits(raw.numbers, raw.fifth, 0.0);
}

//#if fixed
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return five_bit_bytes(raw.numbers, raw.fifth);
}
//#endif
