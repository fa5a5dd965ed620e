// As quant/q4_1, in halves.
//#import lib/unpack-nibbles
//#import lib/half-nibbles

fn load_group_half(row_base: u32, group: u32, columns: u32) -> array<vec4<f16>, 8> {
  let q = weights[row_base + group];
  let factors = bitcast<vec2<f16>>(weight_word(row_base * 4u + columns / 8u + group));
  let scale = vec4<f16>(factors.x);
  let minimum = vec4<f16>(factors.y);
  let a = nibbles(q.x, 1024.0h);
  let b = nibbles(q.y, 1024.0h);
  let c = nibbles(q.z, 1024.0h);
  let d = nibbles(q.w, 1024.0h);
  return array<vec4<f16>, 8>(
    fma(a[0], scale, minimum), fma(a[1], scale, minimum), fma(b[0], scale, minimum), fma(b[1], scale, minimum),
    fma(c[0], scale, minimum), fma(c[1], scale, minimum), fma(d[0], scale, minimum), fma(d[1], scale, minimum),
  );
}
