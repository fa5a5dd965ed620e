// A group of 32 weights that share a scale and an offset, as it lies: in a product in fixed point a lane takes one at a time.
//#import lib/affine-decode
//#if fixed
//#import lib/fixed-point
//#import lib/group-run

fn dot_affine(raw: RawGroup, x: FixedGroup) -> f32 {
  let factors = factors_of(raw);
  return factors.x * f32(dot_bytes(bytes_of(raw), x)) + factors.y * x.sum;
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  var sum = 0.0;
//#repeat G RUN
  sum += dot_affine(raw[G], x[G]);
//#endrepeat
  return x[0].scale * sum;
}
//#endif
