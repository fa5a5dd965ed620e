// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of numbers a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/row-words
//#import lib/halved-group

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
  // Scales of both halves, then their minimums.
  let both = (vec4<u32>(raw.scales >> (16u * (raw.group & 1u))) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u);
  let factors = unpack2x16float(raw.factors).xxyy * vec4<f32>(both);
  return scaled_halves(group_of_bytes(two_bit_bytes(raw.numbers), 0.0), factors.xy, factors.zw);
}

//#if fixed
fn four_bytes(word: u32) -> vec4<i32> {
  return bitcast<vec4<i32>>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
}

struct RawRun {
  numbers: vec4<u32>,
  scales: u32,
  factors: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let scales = columns / 16u;
  return RawRun(weights[row_base + run], weight_word(row_base, scales + run), weight_word(row_base, scales + columns / 64u + run / 4u));
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let scales = four_bytes(raw.scales & 0x0f0f0f0fu);
  let minimums = four_bytes((raw.scales >> 4u) & 0x0f0f0f0fu);
  let first = dot_halves(two_bit_bytes(raw.numbers.xy), x[0]);
  let second = dot_halves(two_bit_bytes(raw.numbers.zw), x[1]);
  let factors = unpack2x16float(raw.factors);
  return x[0].scale * (factors.x * f32(dot(scales, vec4<i32>(first, second))) - factors.y * f32(dot(minimums, vec4<i32>(x[0].sums, x[1].sums))));
}
//#endif
