// As quant/q8_0, in halves, without a conversion: a signed byte with its sign flipped is b + 128 in the mantissa of 1024.
//#import lib/unpack-nibbles

fn bytes_half(word: u32) -> vec4<f16> {
  let shifted = word ^ 0x80808080u;
  let low = (shifted & 0xffu) | ((shifted & 0xff00u) << 8u);
  let high = ((shifted >> 16u) & 0xffu) | ((shifted >> 8u) & 0xff0000u);
  return bitcast<vec4<f16>>(vec2<u32>(low, high) | vec2<u32>(0x64006400u)) - vec4<f16>(1152.0h);
}

fn load_group_half(row_base: u32, group: u32, columns: u32) -> array<vec4<f16>, 8> {
  let a = weights[row_base + group * 2u];
  let b = weights[row_base + group * 2u + 1u];
  let scale = vec4<f16>(f16(weight_half(row_base, columns / 2u + group)));
  return array<vec4<f16>, 8>(
    bytes_half(a.x) * scale, bytes_half(a.y) * scale, bytes_half(a.z) * scale, bytes_half(a.w) * scale,
    bytes_half(b.x) * scale, bytes_half(b.y) * scale, bytes_half(b.z) * scale, bytes_half(b.w) * scale,
  );
}
