// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes of low nibbles
// a group, 8 bytes of high pairs a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles
//#import lib/halved-group

struct RawGroup {
  numbers: vec4<u32>,
  first: u32,
  second: u32,
  scales: u32,
  factor: f32,
  // First of the two scales of the group within their word.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  let pairs = words + columns / 8u + group * 2u;
  return RawGroup(
    weights[row_base + group],
    weight_word(pairs),
    weight_word(pairs + 1u),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 8u + columns / 16u + group / 2u),
    weight_half(row_base, columns / 4u + columns / 8u + columns / 32u + group / 8u),
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
    (low_nibbles(raw.numbers.x) + 16.0 * pairs_at(raw.first, 0u) - 32.0) * a,
    (high_nibbles(raw.numbers.x) + 16.0 * pairs_at(raw.first, 4u) - 32.0) * a,
    (low_nibbles(raw.numbers.y) + 16.0 * pairs_at(raw.first, 8u) - 32.0) * a,
    (high_nibbles(raw.numbers.y) + 16.0 * pairs_at(raw.first, 12u) - 32.0) * a,
    (low_nibbles(raw.numbers.z) + 16.0 * pairs_at(raw.second, 0u) - 32.0) * b,
    (high_nibbles(raw.numbers.z) + 16.0 * pairs_at(raw.second, 4u) - 32.0) * b,
    (low_nibbles(raw.numbers.w) + 16.0 * pairs_at(raw.second, 8u) - 32.0) * b,
    (high_nibbles(raw.numbers.w) + 16.0 * pairs_at(raw.second, 12u) - 32.0) * b,
  );
}

//#if fixed
fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  let four = nibble_bytes(raw.numbers);
  let first = four[0] | (pair_bytes(raw.first) << vec4<u32>(4u));
  let second = four[1] | (pair_bytes(raw.second) << vec4<u32>(4u));
  return array<vec4<u32>, 2>(bytes_less(first, 0x20202020u), bytes_less(second, 0x20202020u));
}
//#endif
