// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/unpack-nibbles
//#import lib/six-bit-scales

struct RawGroup {
  numbers: vec4<u32>,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weights[row_base + columns / 32u + group / 8u], group % 8u);
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = scale_and_minimum(raw.scales, raw.at);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(-factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x), scale, offset), fma(high_nibbles(raw.numbers.x), scale, offset),
    fma(low_nibbles(raw.numbers.y), scale, offset), fma(high_nibbles(raw.numbers.y), scale, offset),
    fma(low_nibbles(raw.numbers.z), scale, offset), fma(high_nibbles(raw.numbers.z), scale, offset),
    fma(low_nibbles(raw.numbers.w), scale, offset), fma(high_nibbles(raw.numbers.w), scale, offset),
  );
}
