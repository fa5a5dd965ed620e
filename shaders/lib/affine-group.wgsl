// A group of 32 weights that share a scale and an offset, as it lies: in a product in fixed point a lane takes one at a time.
//#import lib/affine-decode
//#if fixed
//#import lib/fixed-point
//#import lib/group-run

fn dot_run(raw: RawGroup, x: FixedRun) -> f32 {
  let factors = factors_of(raw) * x[0].scale;
  return factors.x * f32(dot_bytes(bytes_of(raw), x[0])) + factors.y * sum_of(x[0]);
}
//#endif
