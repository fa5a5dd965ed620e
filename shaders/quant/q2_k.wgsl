// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/unpack-nibbles

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let words = row_base * 4u;
  let first = weight_word(words + group * 2u);
  let second = weight_word(words + group * 2u + 1u);
  // Two bytes a group.
  let scales = weight_word(words + columns / 16u + group / 2u) >> (16u * (group & 1u));
  let factors = unpack2x16float(weight_word(words + columns / 16u + columns / 64u + group / 8u));
  let a = factors.x * f32(scales & 15u);
  let a_minimum = factors.y * f32((scales >> 4u) & 15u);
  let b = factors.x * f32((scales >> 8u) & 15u);
  let b_minimum = factors.y * f32((scales >> 12u) & 15u);
  return array<vec4<f32>, 8>(
    pairs_at(first, 0u) * a - a_minimum, pairs_at(first, 4u) * a - a_minimum,
    pairs_at(first, 8u) * a - a_minimum, pairs_at(first, 12u) * a - a_minimum,
    pairs_at(second, 0u) * b - b_minimum, pairs_at(second, 4u) * b - b_minimum,
    pairs_at(second, 8u) * b - b_minimum, pairs_at(second, 12u) * b - b_minimum,
  );
}
