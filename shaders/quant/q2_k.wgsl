// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/unpack-nibbles
//#import lib/halved-group

struct RawGroup {
  numbers: vec2<u32>,
  scales: u32,
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    vec2<u32>(weight_word(words + group * 2u), weight_word(words + group * 2u + 1u)),
    // Two bytes a group.
    weight_word(words + columns / 16u + group / 2u) >> (16u * (group & 1u)),
    weight_word(words + columns / 16u + columns / 64u + group / 8u),
  );
}

// Scales of the two halves, then their minimums.
fn factors_of(raw: RawGroup) -> vec4<f32> {
  let factors = unpack2x16float(raw.factors);
  return factors.xxyy * vec4<f32>((vec4<u32>(raw.scales) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u));
}

fn two_bit_bytes(words: vec2<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(pair_bytes(words.x), pair_bytes(words.y));
}

fn decode(raw: RawGroup) -> Group {
  let factors = factors_of(raw);
  return scaled_halves(group_of_bytes(two_bit_bytes(raw.numbers), 0.0), factors.xy, factors.zw);
}

//#if fixed
// Two groups: four halves of 16, each with four bits of scale and of minimum.
struct RawRun {
  numbers: vec4<u32>,
  scales: u32,
  factors: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let scales = row_base * 4u + columns / 16u;
  return RawRun(weights[row_base + run], weight_word(scales + run), weight_word(scales + columns / 64u + run / 4u));
}

fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let scales = vec4<i32>((vec4<u32>(raw.scales >> (16u * g)) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u));
  let sums = dot_halves(two_bit_bytes(select(raw.numbers.xy, raw.numbers.zw, g == 1u)), x);
  let factors = unpack2x16float(raw.factors);
  return x.scale * (
    factors.x * f32(scales.x * sums.x + scales.y * sums.y) - factors.y * f32(scales.z * x.sums.x + scales.w * x.sums.y)
  );
}
//#endif
