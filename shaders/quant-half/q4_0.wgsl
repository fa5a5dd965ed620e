// As quant/q4_0, in halves.
//#import quant/q4_0
//#import lib/half-nibbles
//#import lib/scales-half

// Vectors that the numbers of a group take, before the scales of a row.
const NUMBER_VEC4S: u32 = 1u;

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  let scale = vec4<f16>(f16(raw.scale));
  let a = nibbles(raw.numbers.x, 1032.0h);
  let b = nibbles(raw.numbers.y, 1032.0h);
  let c = nibbles(raw.numbers.z, 1032.0h);
  let d = nibbles(raw.numbers.w, 1032.0h);
  return array<vec4<f16>, 8>(
    a[0] * scale, a[1] * scale, b[0] * scale, b[1] * scale,
    c[0] * scale, c[1] * scale, d[0] * scale, d[1] * scale,
  );
}
