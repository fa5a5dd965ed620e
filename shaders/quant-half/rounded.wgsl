// The format's own weights, rounded to halves.
//#import quant/{quant}

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  let g = decode(raw);
  return array<vec4<f16>, 8>(
    vec4<f16>(g[0]), vec4<f16>(g[1]), vec4<f16>(g[2]), vec4<f16>(g[3]),
    vec4<f16>(g[4]), vec4<f16>(g[5]), vec4<f16>(g[6]), vec4<f16>(g[7]),
  );
}
