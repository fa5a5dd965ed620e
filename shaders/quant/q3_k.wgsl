// weight = factor · scale · (q − 4), 256 weights a super-block, a scale for every 16. Planes of a row: 8 bytes of low pairs a
// group, a word of high bits a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles
//#import lib/plain-group
//#if fixed
//#import lib/fixed-point
//#import lib/packed-bytes
//#endif

struct RawGroup {
  first: u32,
  second: u32,
  high: u32,
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    weight_word(words + group * 2u),
    weight_word(words + group * 2u + 1u),
    weight_word(words + columns / 16u + group),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 16u + columns / 32u + group / 2u),
    weight_word(words + columns / 16u + columns / 32u + columns / 64u + group / 16u),
    group,
  );
}

fn scales_of(raw: RawGroup) -> vec2<f32> {
  let at = (raw.group & 1u) * 2u;
  return half_of(raw.factors, raw.group / 8u) * vec2<f32>(signed_byte(raw.scales, at), signed_byte(raw.scales, at + 1u));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let scales = scales_of(raw);
  let a = scales.x;
  let b = scales.y;
  return array<vec4<f32>, 8>(
    (pairs_at(raw.first, 0u) + 4.0 * bits_at(raw.high, 0u) - 4.0) * a,
    (pairs_at(raw.first, 4u) + 4.0 * bits_at(raw.high, 4u) - 4.0) * a,
    (pairs_at(raw.first, 8u) + 4.0 * bits_at(raw.high, 8u) - 4.0) * a,
    (pairs_at(raw.first, 12u) + 4.0 * bits_at(raw.high, 12u) - 4.0) * a,
    (pairs_at(raw.second, 0u) + 4.0 * bits_at(raw.high, 16u) - 4.0) * b,
    (pairs_at(raw.second, 4u) + 4.0 * bits_at(raw.high, 20u) - 4.0) * b,
    (pairs_at(raw.second, 8u) + 4.0 * bits_at(raw.high, 24u) - 4.0) * b,
    (pairs_at(raw.second, 12u) + 4.0 * bits_at(raw.high, 28u) - 4.0) * b,
  );
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

// Bytes are 4 more than numbers.
fn dot_run(raw: RawRun, g: u32, x: FixedGroup) -> f32 {
  let words = select(raw.numbers.xy, raw.numbers.zw, g == 1u);
  let high = third_bit_bytes(raw.high[g]);
  let bytes = array<vec4<u32>, 2>(pair_bytes(words.x) | high[0], pair_bytes(words.y) | high[1]);
  let sums = signed_bytes_at(raw.scales, 2u * g) * (dot_halves(bytes, x) - 4 * x.sums);
  return half_of(raw.factors, raw.run / 4u) * x.scale * f32(sums.x + sums.y);
}
//#endif
