// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/row-words
//#import lib/halved-group

fn two_bit_bytes(words: vec2<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(pair_bytes(words.x), pair_bytes(words.y));
}

// Scales of both halves of group `g` of a run of two, then their minimums.
fn scales_of(word: u32, g: u32) -> vec4<u32> {
  return (vec4<u32>(word >> (16u * g)) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u);
}

struct RawGroup {
  numbers: vec2<u32>,
  scales: u32,
  factors: u32,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let numbers = row_base * 4u + group * 2u;
  let scales = row_base * 4u + columns / 16u;
  return RawGroup(
    vec2<u32>(weight_word(numbers), weight_word(numbers + 1u)),
    weight_word(scales + group / 2u),
    weight_word(scales + columns / 64u + group / 8u),
    group,
  );
}

fn decode(raw: RawGroup) -> Group {
  let factors = unpack2x16float(raw.factors).xxyy * vec4<f32>(scales_of(raw.scales, raw.group & 1u));
  return scaled_halves(group_of_bytes(two_bit_bytes(raw.numbers), 0.0), factors.xy, factors.zw);
}

//#if fixed
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
  let bytes = two_bit_bytes(select(raw.numbers.xy, raw.numbers.zw, g == 1u));
  let products = vec4<i32>(scales_of(raw.scales, g)) * vec4<i32>(dot_halves(bytes, x), x.sums);
  let sums = vec2<f32>(products.xz + products.yw);
  let factors = unpack2x16float(raw.factors);
  return x.scale * (factors.x * sums.x - factors.y * sums.y);
}
//#endif
