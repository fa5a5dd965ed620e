// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes of low nibbles
// a group, 8 bytes of high pairs a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles
//#import lib/halved-group

struct RawGroup {
  numbers: vec4<u32>,
  pairs: vec2<u32>,
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  let pairs = words + columns / 8u + group * 2u;
  return RawGroup(
    weights[row_base + group],
    vec2<u32>(weight_word(pairs), weight_word(pairs + 1u)),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 8u + columns / 16u + group / 2u),
    weight_word(words + columns / 8u + columns / 16u + columns / 64u + group / 16u),
    group,
  );
}

// 32 more than the numbers.
fn six_bit_bytes(words: vec4<u32>, pairs: vec2<u32>) -> array<vec4<u32>, 2> {
  let low = nibble_bytes(words);
  return array<vec4<u32>, 2>(low[0] | upper_pair_bytes(pairs.x), low[1] | upper_pair_bytes(pairs.y));
}

fn decode(raw: RawGroup) -> Group {
  let scales = half_of(raw.factors, raw.group / 8u) * vec2<f32>(signed_bytes_at(raw.scales, (raw.group & 1u) * 2u));
  return scaled_halves(group_of_bytes(six_bit_bytes(raw.numbers, raw.pairs), 32.0), scales, vec2<f32>(0.0));
}

//#if fixed
// Two groups: four halves of 16, each with a scale.
struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  pairs: vec4<u32>,
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  run: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  let scales = row_base * 4u + columns / 8u + columns / 16u;
  return RawRun(
    weights[at],
    weights[at + 1u],
    weights[row_base + columns / 32u + run],
    weight_word(scales + run),
    weight_word(scales + columns / 64u + run / 8u),
    run,
  );
}

fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let is_second = g == 1u;
  let bytes = six_bit_bytes(select(raw.first, raw.second, is_second), select(raw.pairs.xy, raw.pairs.zw, is_second));
  // Each below 2^31 for itself.
  let sums = vec2<f32>(signed_bytes_at(raw.scales, 2u * g) * (dot_halves(bytes, x) - 32 * x.sums));
  return half_of(raw.factors, raw.run / 4u) * x.scale * (sums.x + sums.y);
}
//#endif
