// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, then scale and minimum (half) a group.
//#import lib/unpack-nibbles

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let factors = unpack2x16float(weight_word(row_base * 4u + columns / 8u + group));
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(q.x), scale, offset), fma(high_nibbles(q.x), scale, offset),
    fma(low_nibbles(q.y), scale, offset), fma(high_nibbles(q.y), scale, offset),
    fma(low_nibbles(q.z), scale, offset), fma(high_nibbles(q.z), scale, offset),
    fma(low_nibbles(q.w), scale, offset), fma(high_nibbles(q.w), scale, offset),
  );
}
