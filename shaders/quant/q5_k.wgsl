// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/unpack-nibbles
//#import lib/six-bit-scales

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

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = scale_and_minimum(raw.scales, raw.at);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(-factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x) + 16.0 * bits_at(raw.fifth, 0u), scale, offset),
    fma(high_nibbles(raw.numbers.x) + 16.0 * bits_at(raw.fifth, 4u), scale, offset),
    fma(low_nibbles(raw.numbers.y) + 16.0 * bits_at(raw.fifth, 8u), scale, offset),
    fma(high_nibbles(raw.numbers.y) + 16.0 * bits_at(raw.fifth, 12u), scale, offset),
    fma(low_nibbles(raw.numbers.z) + 16.0 * bits_at(raw.fifth, 16u), scale, offset),
    fma(high_nibbles(raw.numbers.z) + 16.0 * bits_at(raw.fifth, 20u), scale, offset),
    fma(low_nibbles(raw.numbers.w) + 16.0 * bits_at(raw.fifth, 24u), scale, offset),
    fma(high_nibbles(raw.numbers.w) + 16.0 * bits_at(raw.fifth, 28u), scale, offset),
  );
}
