// Halves as they are.
fn load_group_half(row_base: u32, group: u32, columns: u32) -> array<vec4<f16>, 8> {
  let at = row_base + group * 4u;
  let a = weights[at];
  let b = weights[at + 1u];
  let c = weights[at + 2u];
  let d = weights[at + 3u];
  return array<vec4<f16>, 8>(
    bitcast<vec4<f16>>(a.xy), bitcast<vec4<f16>>(a.zw), bitcast<vec4<f16>>(b.xy), bitcast<vec4<f16>>(b.zw),
    bitcast<vec4<f16>>(c.xy), bitcast<vec4<f16>>(c.zw), bitcast<vec4<f16>>(d.xy), bitcast<vec4<f16>>(d.zw),
  );
}
