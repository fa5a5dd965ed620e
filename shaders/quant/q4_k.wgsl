// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/nibble-group
//#import lib/six-bit-scales
//#import lib/affine-decode

struct RawGroup {
  numbers: vec4<u32>,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weights[row_base + columns / 32u + group / 8u], group % 8u);
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return scale_and_offset(raw.scales, raw.at);
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 0.0);
}

//#if fixed
// Two groups, whose scales are cut out together.
struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  scales: vec4<u32>,
  // Of the run within its super-block.
  at: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(weights[at], weights[at + 1u], weights[row_base + columns / 32u + run / 4u], run % 4u);
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  return dot_six_bit(raw.scales, raw.at, nibble_bytes(raw.first), nibble_bytes(raw.second), x);
}
//#endif
