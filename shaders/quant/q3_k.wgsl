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

fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let is_second = g == 1u;
  let bytes = three_bit_bytes(select(raw.numbers.xy, raw.numbers.zw, is_second), select(raw.third.x, raw.third.y, is_second));
  let sums = scaled_sums(bytes, 4, raw.scales, g, x);
  return factor_of(raw.scales) * x.scale * f32(sums.x + sums.y);
}
//#endif
