// How four components of a head's output are stored.
//#if half_output
alias Output = vec2<u32>;

fn pack_output(value: vec4<f32>) -> Output {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
//#else
alias Output = vec4<f32>;

fn pack_output(value: vec4<f32>) -> Output {
  return value;
}
//#endif
