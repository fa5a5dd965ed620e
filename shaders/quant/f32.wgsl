// Group of 32: eight vec4 as they are.
fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let at = row_base + group * 8u;
  return array<vec4<f32>, 8>(
    bitcast<vec4<f32>>(weights[at]),
    bitcast<vec4<f32>>(weights[at + 1u]),
    bitcast<vec4<f32>>(weights[at + 2u]),
    bitcast<vec4<f32>>(weights[at + 3u]),
    bitcast<vec4<f32>>(weights[at + 4u]),
    bitcast<vec4<f32>>(weights[at + 5u]),
    bitcast<vec4<f32>>(weights[at + 6u]),
    bitcast<vec4<f32>>(weights[at + 7u]),
  );
}
