// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/unpack-nibbles
//#import lib/six-bit-scales

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let factors = scale_and_minimum(weights[row_base + columns / 32u + group / 8u], group % 8u);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(-factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(q.x), scale, offset), fma(high_nibbles(q.x), scale, offset),
    fma(low_nibbles(q.y), scale, offset), fma(high_nibbles(q.y), scale, offset),
    fma(low_nibbles(q.z), scale, offset), fma(high_nibbles(q.z), scale, offset),
    fma(low_nibbles(q.w), scale, offset), fma(high_nibbles(q.w), scale, offset),
  );
}
