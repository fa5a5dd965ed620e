// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/unpack-nibbles
//#import lib/plain-group

struct RawGroup {
  first: u32,
  second: u32,
  scales: u32,
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    weight_word(words + group * 2u),
    weight_word(words + group * 2u + 1u),
    // Two bytes a group.
    weight_word(words + columns / 16u + group / 2u) >> (16u * (group & 1u)),
    weight_word(words + columns / 16u + columns / 64u + group / 8u),
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = unpack2x16float(raw.factors);
  let a = factors.x * f32(raw.scales & 15u);
  let a_minimum = factors.y * f32((raw.scales >> 4u) & 15u);
  let b = factors.x * f32((raw.scales >> 8u) & 15u);
  let b_minimum = factors.y * f32((raw.scales >> 12u) & 15u);
  return array<vec4<f32>, 8>(
    pairs_at(raw.first, 0u) * a - a_minimum, pairs_at(raw.first, 4u) * a - a_minimum,
    pairs_at(raw.first, 8u) * a - a_minimum, pairs_at(raw.first, 12u) * a - a_minimum,
    pairs_at(raw.second, 0u) * b - b_minimum, pairs_at(raw.second, 4u) * b - b_minimum,
    pairs_at(raw.second, 8u) * b - b_minimum, pairs_at(raw.second, 12u) * b - b_minimum,
  );
}
