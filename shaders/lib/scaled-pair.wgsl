// Groups of 16 bytes of numbers and a half-precision scale. In a product in fixed point a lane takes one, or in pairs two, whose scales are one
// word: a row of an odd number of groups ends with a scale of 0.
//#import lib/row-words
//#import lib/scaled-decode

struct RawGroup {
  numbers: vec4<u32>,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}

//#if fixed
//#if pairs
//#import lib/fixed-point

struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  scales: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(weights[at], weights[at + 1u], weight_word(row_base, columns / 8u + run));
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let scales = unpack2x16float(raw.scales);
  var first: RawGroup;
  first.numbers = raw.first;
  var second: RawGroup;
  second.numbers = raw.second;
  return x[0].scale * (scales.x * dot_numbers(first, x[0]) + scales.y * dot_numbers(second, x[1]));
}
//#else
//#import lib/scaled-group
//#endif
//#endif
