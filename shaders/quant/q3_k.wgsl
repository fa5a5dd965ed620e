// weight = factor · scale · (q − 4), 256 weights a super-block, a scale for every 16. Planes of a row: 8 bytes and then 4 of
// numbers a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/row-words
//#import lib/signed-scales

struct RawGroup {
  numbers: vec2<u32>,
  third: u32,
  scales: SignedScales,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let third = columns / 16u;
  return RawGroup(
    weight_pair(row_base, group * 2u),
    weight_word(row_base, third + group),
    load_scales(row_base, third + columns / 32u, group / 2u, columns),
    group,
  );
}

fn decode(raw: RawGroup) -> Group {
  return decode_bytes(three_bit_bytes(raw.numbers, raw.third), 4.0, raw.scales, raw.group & 1u);
}

//#if fixed
struct RawRun {
  numbers: vec4<u32>,
  third: vec2<u32>,
  scales: SignedScales,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let third = columns / 16u;
  return RawRun(
    weights[row_base + run],
    weight_pair(row_base, third + run * 2u),
    load_scales(row_base, third + columns / 32u, run, columns),
  );
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let first = three_bit_bytes(raw.numbers.xy, raw.third.x);
  let second = three_bit_bytes(raw.numbers.zw, raw.third.y);
  let sums = scaled_sums(first, 4, raw.scales, 0u, x[0]) + scaled_sums(second, 4, raw.scales, 1u, x[1]);
  return factor_of(raw.scales) * x[0].scale * f32(sums.x + sums.y);
}
//#endif
