// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, a word of fifth bits a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/unpack-nibbles
//#import lib/six-bit-scales

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let fifth = weight_word(row_base * 4u + columns / 8u + group);
  let factors = scale_and_minimum(weights[row_base + columns / 32u + columns / 128u + group / 8u], group % 8u);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(-factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(q.x) + 16.0 * bits_at(fifth, 0u), scale, offset),
    fma(high_nibbles(q.x) + 16.0 * bits_at(fifth, 4u), scale, offset),
    fma(low_nibbles(q.y) + 16.0 * bits_at(fifth, 8u), scale, offset),
    fma(high_nibbles(q.y) + 16.0 * bits_at(fifth, 12u), scale, offset),
    fma(low_nibbles(q.z) + 16.0 * bits_at(fifth, 16u), scale, offset),
    fma(high_nibbles(q.z) + 16.0 * bits_at(fifth, 20u), scale, offset),
    fma(low_nibbles(q.w) + 16.0 * bits_at(fifth, 24u), scale, offset),
    fma(high_nibbles(q.w) + 16.0 * bits_at(fifth, 28u), scale, offset),
  );
}
