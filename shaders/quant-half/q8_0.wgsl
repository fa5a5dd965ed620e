// As quant/q8_0, in halves, without a conversion: a signed byte with its sign flipped is b + 128 in the mantissa of 1024.
//#import quant/q8_0
//#import lib/scales-half

// Vectors that the numbers of a group take, before the scales of a row.
const NUMBER_VEC4S: u32 = 2u;

fn bytes_half(word: u32) -> vec4<f16> {
  let shifted = word ^ 0x80808080u;
  let low = (shifted & 0xffu) | ((shifted & 0xff00u) << 8u);
  let high = ((shifted >> 16u) & 0xffu) | ((shifted >> 8u) & 0xff0000u);
  return bitcast<vec4<f16>>(vec2<u32>(low, high) | vec2<u32>(0x64006400u)) - vec4<f16>(1152.0h);
}

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  let scale = vec4<f16>(f16(raw.scale));
  return array<vec4<f16>, 8>(
    bytes_half(raw.a.x) * scale, bytes_half(raw.a.y) * scale, bytes_half(raw.a.z) * scale, bytes_half(raw.a.w) * scale,
    bytes_half(raw.b.x) * scale, bytes_half(raw.b.y) * scale, bytes_half(raw.b.z) * scale, bytes_half(raw.b.w) * scale,
  );
}
