// As quant/q4_1, in halves.
//#import quant/q4_1
//#import lib/half-nibbles
//#import lib/scales-word

// Vectors that the numbers of a group take, before the scales of a row.
const NUMBER_VEC4S: u32 = 1u;

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  let factors = bitcast<vec2<f16>>(raw.factors);
  let scale = vec4<f16>(factors.x);
  let minimum = vec4<f16>(factors.y);
  let a = nibbles(raw.numbers.x, 1024.0h);
  let b = nibbles(raw.numbers.y, 1024.0h);
  let c = nibbles(raw.numbers.z, 1024.0h);
  let d = nibbles(raw.numbers.w, 1024.0h);
  return array<vec4<f16>, 8>(
    fma(a[0], scale, minimum), fma(a[1], scale, minimum), fma(b[0], scale, minimum), fma(b[1], scale, minimum),
    fma(c[0], scale, minimum), fma(c[1], scale, minimum), fma(d[0], scale, minimum), fma(d[1], scale, minimum),
  );
}
