// Values of MatryoshkaKV end before their head does: behind them stands what values are there on average. Weights of a softmax sum to one,
// so a head's output has it once, and an unnormalized one as often as its weights' sum says.
struct LeftOut {
  is_left_out: bool,
  mean: vec4<f32>,
}

// Of four components of a head: to be brought before it attends.
fn left_out_of(kv_head: u32, quad: u32) -> LeftOut {
//#if ragged
  return LeftOut(quad * 4u >= head_widths[kv_head].value, mean[kv_head][quad]);
//#else
  return LeftOut();
//#endif
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
//#if ragged
  return select(attended, weight * left_out.mean, left_out.is_left_out);
//#else
  return attended;
//#endif
}
