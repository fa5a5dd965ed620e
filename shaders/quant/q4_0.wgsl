// weight = scale · (q − 8). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let factor = weight_half(row_base, columns / 4u + group);
  let scale = vec4<f32>(factor);
  let offset = vec4<f32>(-8.0 * factor);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(q.x), scale, offset), fma(high_nibbles(q.x), scale, offset),
    fma(low_nibbles(q.y), scale, offset), fma(high_nibbles(q.y), scale, offset),
    fma(low_nibbles(q.z), scale, offset), fma(high_nibbles(q.z), scale, offset),
    fma(low_nibbles(q.w), scale, offset), fma(high_nibbles(q.w), scale, offset),
  );
}
