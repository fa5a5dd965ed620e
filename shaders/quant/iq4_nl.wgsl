// weight = scale · levels[q]. Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

const levels = array<f32, 16>(
  -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
);

fn level4(q: vec4<f32>) -> vec4<f32> {
  let i = vec4<u32>(q);
  return vec4<f32>(levels[i.x], levels[i.y], levels[i.z], levels[i.w]);
}

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let scale = weight_half(row_base, columns / 4u + group);
  return array<vec4<f32>, 8>(
    level4(low_nibbles(q.x)) * scale, level4(high_nibbles(q.x)) * scale,
    level4(low_nibbles(q.y)) * scale, level4(high_nibbles(q.y)) * scale,
    level4(low_nibbles(q.z)) * scale, level4(high_nibbles(q.z)) * scale,
    level4(low_nibbles(q.w)) * scale, level4(high_nibbles(q.w)) * scale,
  );
}
