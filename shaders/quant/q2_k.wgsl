// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of numbers a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/row-words
//#import lib/halved-group

// Scales of both halves of group `g` of a run of two, then their minimums.
fn scales_of(word: u32, g: u32) -> vec4<u32> {
  let both = vec2<u32>(word, word >> 4u) & vec2<u32>(0x0f0f0f0fu);
  return (both.xxyy >> (vec4<u32>(0u, 8u, 0u, 8u) + 16u * g)) & vec4<u32>(255u);
}

struct RawGroup {
  numbers: vec2<u32>,
  scales: u32,
  factors: u32,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let scales = columns / 16u;
  return RawGroup(
    weight_pair(row_base, group * 2u),
    weight_word(row_base, scales + group / 2u),
    weight_word(row_base, scales + columns / 64u + group / 8u),
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
  let scales = columns / 16u;
  return RawRun(weights[row_base + run], weight_word(row_base, scales + run), weight_word(row_base, scales + columns / 64u + run / 4u));
}

fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let bytes = two_bit_bytes(select(raw.numbers.xy, raw.numbers.zw, g == 1u));
  let products = vec4<i32>(scales_of(raw.scales, g)) * vec4<i32>(dot_halves(bytes, x), x.sums);
  let sums = vec2<f32>(products.xz + products.yw);
  let factors = unpack2x16float(raw.factors);
  return x.scale * (factors.x * sums.x - factors.y * sums.y);
}
//#endif
