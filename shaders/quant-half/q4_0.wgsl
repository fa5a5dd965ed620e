// As quant/q4_0, in halves.
//#import lib/unpack-nibbles
//#import lib/half-nibbles

fn load_group_half(row_base: u32, group: u32, columns: u32) -> array<vec4<f16>, 8> {
  let q = weights[row_base + group];
  let scale = vec4<f16>(f16(weight_half(row_base, columns / 4u + group)));
  let a = nibbles(q.x, 1032.0h);
  let b = nibbles(q.y, 1032.0h);
  let c = nibbles(q.z, 1032.0h);
  let d = nibbles(q.w, 1032.0h);
  return array<vec4<f16>, 8>(
    a[0] * scale, a[1] * scale, b[0] * scale, b[1] * scale,
    c[0] * scale, c[1] * scale, d[0] * scale, d[1] * scale,
  );
}
