// weight = factor · scale · (q − 4), 256 weights a super-block, a scale for every 16. Planes of a row: 8 bytes of low pairs a
// group, a word of high bits a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles
//#import lib/halved-group

struct RawGroup {
  numbers: vec2<u32>,
  high: u32,
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    vec2<u32>(weight_word(words + group * 2u), weight_word(words + group * 2u + 1u)),
    weight_word(words + columns / 16u + group),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 16u + columns / 32u + group / 2u),
    weight_word(words + columns / 16u + columns / 32u + columns / 64u + group / 16u),
    group,
  );
}

// 4 more than the numbers.
fn three_bit_bytes(words: vec2<u32>, high: u32) -> array<vec4<u32>, 2> {
  let bits = third_bit_bytes(high);
  return array<vec4<u32>, 2>(pair_bytes(words.x) | bits[0], pair_bytes(words.y) | bits[1]);
}

fn decode(raw: RawGroup) -> Group {
  let scales = half_of(raw.factors, raw.group / 8u) * vec2<f32>(signed_bytes_at(raw.scales, (raw.group & 1u) * 2u));
  return scaled_halves(group_of_bytes(three_bit_bytes(raw.numbers, raw.high), 4.0), scales, vec2<f32>(0.0));
}

//#if fixed
// Two groups: four halves of 16, each with a scale.
struct RawRun {
  numbers: vec4<u32>,
  high: vec2<u32>,
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  run: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let high = row_base * 4u + columns / 16u;
  let scales = high + columns / 32u;
  return RawRun(
    weights[row_base + run],
    vec2<u32>(weight_word(high + run * 2u), weight_word(high + run * 2u + 1u)),
    weight_word(scales + run),
    weight_word(scales + columns / 64u + run / 8u),
    run,
  );
}

fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let bytes = three_bit_bytes(select(raw.numbers.xy, raw.numbers.zw, g == 1u), raw.high[g]);
  let sums = signed_bytes_at(raw.scales, 2u * g) * (dot_halves(bytes, x) - 4 * x.sums);
  return half_of(raw.factors, raw.run / 4u) * x.scale * f32(sums.x + sums.y);
}
//#endif
