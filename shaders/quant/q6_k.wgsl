// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes and then 8 of
// numbers a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/row-words
//#import lib/signed-scales

struct RawGroup {
  numbers: vec4<u32>,
  late: vec2<u32>,
  scales: SignedScales,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let late = columns / 8u;
  return RawGroup(
    weights[row_base + group],
    weight_pair(row_base, late + group * 2u),
    load_scales(row_base, late + columns / 16u, group / 2u, columns),
    group,
  );
}

fn decode(raw: RawGroup) -> Group {
  return decode_bytes(six_bit_bytes(raw.numbers, raw.late), 32.0, raw.scales, raw.group & 1u);
}

//#if fixed
struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  late: vec4<u32>,
  scales: SignedScales,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(
    weights[at],
    weights[at + 1u],
    weights[row_base + columns / 32u + run],
    load_scales(row_base, columns / 8u + columns / 16u, run, columns),
  );
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let first = six_bit_bytes(raw.first, raw.late.xy);
  let second = six_bit_bytes(raw.second, raw.late.zw);
  let sums = vec2<f32>(scaled_sums(first, 32, raw.scales, 0u, x[0])) + vec2<f32>(scaled_sums(second, 32, raw.scales, 1u, x[1]));
  return factor_of(raw.scales) * x[0].scale * (sums.x + sums.y);
}
//#endif
