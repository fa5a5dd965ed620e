// A group of 32 weights that share a scale and an offset: weight = scale · number + offset. In a product both come in once: the offset with the
// sum of x, which is the same for all rows.
//#import lib/dot-group

fn decode(raw: RawGroup) -> Group {
  let n = numbers_of(raw);
  let factors = factors_of(raw);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(factors.y);
  return Group(
    fma(n[0], scale, offset), fma(n[1], scale, offset), fma(n[2], scale, offset), fma(n[3], scale, offset),
    fma(n[4], scale, offset), fma(n[5], scale, offset), fma(n[6], scale, offset), fma(n[7], scale, offset),
  );
}

fn sum_group(x: Group) -> f32 {
  return dot(x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7], vec4<f32>(1.0));
}

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  let factors = factors_of(raw);
  return factors.x * dot_group(numbers_of(raw), x) + factors.y * sum_group(x);
}
