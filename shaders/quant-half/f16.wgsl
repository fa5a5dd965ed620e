// Halves as they are.
struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 4u;
  return RawGroup(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  return array<vec4<f16>, 8>(
    bitcast<vec4<f16>>(raw.a.xy), bitcast<vec4<f16>>(raw.a.zw), bitcast<vec4<f16>>(raw.b.xy), bitcast<vec4<f16>>(raw.b.zw),
    bitcast<vec4<f16>>(raw.c.xy), bitcast<vec4<f16>>(raw.c.zw), bitcast<vec4<f16>>(raw.d.xy), bitcast<vec4<f16>>(raw.d.zw),
  );
}
