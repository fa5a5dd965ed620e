// A group of 32 weights that share a scale, as it lies: in a product in fixed point a lane takes one at a time.
//#import lib/scaled-decode
//#if fixed
//#import lib/fixed-point
//#import lib/group-run

fn dot_run(raw: RawGroup, x: FixedRun) -> f32 {
  return number_of(raw.scale) * x[0].scale * dot_numbers(raw, x[0]);
}
//#endif
