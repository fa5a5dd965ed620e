// Halves as they are.
//#import quant/f16
fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  return array<vec4<f16>, 8>(
    bitcast<vec4<f16>>(raw.a.xy), bitcast<vec4<f16>>(raw.a.zw), bitcast<vec4<f16>>(raw.b.xy), bitcast<vec4<f16>>(raw.b.zw),
    bitcast<vec4<f16>>(raw.c.xy), bitcast<vec4<f16>>(raw.c.zw), bitcast<vec4<f16>>(raw.d.xy), bitcast<vec4<f16>>(raw.d.zw),
  );
}
