// weight = factor · scale · (q − 4), 256 weights a super-block, a scale for every 16. Planes of a row: 8 bytes of low pairs a
// group, a word of high bits a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles
//#import lib/halved-group

struct RawGroup {
  first: u32,
  second: u32,
  high: u32,
  scales: u32,
  factor: f32,
  // First of the two scales of the group within their word.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    weight_word(words + group * 2u),
    weight_word(words + group * 2u + 1u),
    weight_word(words + columns / 16u + group),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 16u + columns / 32u + group / 2u),
    weight_half(row_base, columns / 8u + columns / 16u + columns / 32u + group / 8u),
    (group & 1u) * 2u,
  );
}

fn scales_of(raw: RawGroup) -> vec2<f32> {
  return raw.factor * vec2<f32>(signed_byte(raw.scales, raw.at), signed_byte(raw.scales, raw.at + 1u));
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
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  let high = bit_bytes(raw.high);
  let first = pair_bytes(raw.first) | (high[0] << vec4<u32>(2u));
  let second = pair_bytes(raw.second) | (high[1] << vec4<u32>(2u));
  return array<vec4<u32>, 2>(bytes_less(first, 0x04040404u), bytes_less(second, 0x04040404u));
}
//#endif
