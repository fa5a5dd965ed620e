// Values of MatryoshkaKV end before their head does: behind them stands what values are there on average. Weights of a softmax sum to one,
// so a head's output has it once, and an unnormalized one as often as its weights' sum says.
fn with_left_out(attended: vec4<f32>, weight: f32, kv_head: u32, quad: u32) -> vec4<f32> {
//#if ragged
  return select(attended, weight * mean[kv_head][quad], quad * 4u >= head_widths[kv_head].value);
//#else
  return attended;
//#endif
}
