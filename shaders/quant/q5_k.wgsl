// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes and then a word of numbers a group, then 16 bytes of factors and 6-bit scales a super-block.
//#import lib/nibble-group
//#import lib/six-bit-scales
//#import lib/affine-decode

struct RawGroup {
  numbers: vec4<u32>,
  fifth: u32,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(
    weights[row_base + group],
    weight_word(row_base, columns / 8u + group),
    weights[row_base + columns / 32u + columns / 128u + group / 8u],
    group % 8u,
  );
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return scale_and_offset(raw.scales, raw.at);
}

fn numbers_of(raw: RawGroup) -> Group {
  return group_of_bytes(five_bit_bytes(raw.numbers, raw.fifth), 0.0);
}

//#if fixed
// Two groups, whose scales are cut out together.
struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  fifth: vec2<u32>,
  scales: vec4<u32>,
  // Of the run within its super-block.
  at: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(
    weights[at],
    weights[at + 1u],
    vec2<u32>(weight_word(row_base, columns / 8u + run * 2u), weight_word(row_base, columns / 8u + run * 2u + 1u)),
    weights[row_base + columns / 32u + columns / 128u + run / 4u],
    run % 4u,
  );
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let first = five_bit_bytes(raw.first, raw.fifth.x);
  return dot_six_bit(raw.scales, raw.at, first, five_bit_bytes(raw.second, raw.fifth.y), x);
}
//#endif
