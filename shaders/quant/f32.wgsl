// Group of 32: eight vec4 as they are.
//#import lib/plain-group

alias RawGroup = array<vec4<u32>, 8>;

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 8u;
  return RawGroup(
    weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u],
    weights[at + 4u], weights[at + 5u], weights[at + 6u], weights[at + 7u],
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    bitcast<vec4<f32>>(raw[0]), bitcast<vec4<f32>>(raw[1]), bitcast<vec4<f32>>(raw[2]), bitcast<vec4<f32>>(raw[3]),
    bitcast<vec4<f32>>(raw[4]), bitcast<vec4<f32>>(raw[5]), bitcast<vec4<f32>>(raw[6]), bitcast<vec4<f32>>(raw[7]),
  );
}
