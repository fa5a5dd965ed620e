// Scales of super-blocks whose halves of groups have a signed byte each: weight = factor · scale · (byte − bias). `at` is the word of the row where
// the plane of scales begins, with a word for two groups; behind it lies a half-precision factor a super-block.
//#import lib/halved-group

struct SignedScales {
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  run: u32,
}

fn load_scales(row_base: u32, at: u32, run: u32, columns: u32) -> SignedScales {
  return SignedScales(weight_word(row_base, at + run), weight_word(row_base, at + columns / 64u + run / 8u), run);
}

fn factor_of(s: SignedScales) -> f32 {
  return unpack2x16float(s.factors >> (16u * ((s.run / 4u) & 1u))).x;
}

// Of both halves of group `g` of the run.
fn scales_of(s: SignedScales, g: u32) -> vec2<i32> {
  return bitcast<vec2<i32>>(vec2<u32>(s.scales) << (vec2<u32>(24u, 16u) - 16u * g)) >> vec2<u32>(24u);
}

fn decode_bytes(bytes: array<vec4<u32>, 2>, bias: f32, s: SignedScales, g: u32) -> Group {
  return scaled_halves(group_of_bytes(bytes, bias), factor_of(s) * vec2<f32>(scales_of(s, g)), vec2<f32>(0.0));
}

//#if fixed
// Sums of both halves by their scales: of six bits, below 2^31 each.
fn scaled_sums(bytes: array<vec4<u32>, 2>, bias: i32, s: SignedScales, g: u32, x: FixedGroup) -> vec2<i32> {
  return scales_of(s, g) * (dot_halves(bytes, x) - bias * x.sums);
}
//#endif
