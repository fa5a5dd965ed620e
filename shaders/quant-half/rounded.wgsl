// The format's own weights, rounded to halves.
//#import quant/{quant}

alias RawGroup = array<vec4<f32>, 8>;

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return load_group(row_base, group, columns);
}

fn decode_half(g: RawGroup) -> array<vec4<f16>, 8> {
  return array<vec4<f16>, 8>(
    vec4<f16>(g[0]), vec4<f16>(g[1]), vec4<f16>(g[2]), vec4<f16>(g[3]),
    vec4<f16>(g[4]), vec4<f16>(g[5]), vec4<f16>(g[6]), vec4<f16>(g[7]),
  );
}
