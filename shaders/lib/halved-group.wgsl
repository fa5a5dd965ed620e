// A group of 32 weights whose halves have scales of their own: weight = scale · number − offset. In a product in fixed point each half's scale
// comes in once, behind its sum, and a lane takes a run of two groups.
//#import lib/plain-group
//#import lib/packed-bytes
//#if fixed
//#import lib/fixed-point
//#endif

fn scaled_halves(n: Group, scales: vec2<f32>, offsets: vec2<f32>) -> Group {
  let a = scales.x;
  let b = scales.y;
  let c = offsets.x;
  let d = offsets.y;
  return Group(
    n[0] * a - c, n[1] * a - c, n[2] * a - c, n[3] * a - c, n[4] * b - d, n[5] * b - d, n[6] * b - d, n[7] * b - d,
  );
}
