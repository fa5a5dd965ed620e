// A group of 32 weights that share a scale, as it lies: in a product in fixed point a lane takes one at a time.
//#import lib/scaled-decode
//#if fixed
//#import lib/fixed-point
//#import lib/group-run

// Bytes are the numbers and NUMBER_BIAS.
fn dot_run(raw: RawGroup, x: FixedRun) -> f32 {
  return scale_of(raw) * x[0].scale * (f32(dot_bytes(bytes_of(raw), x[0])) - NUMBER_BIAS * x[0].sum);
}
//#endif
