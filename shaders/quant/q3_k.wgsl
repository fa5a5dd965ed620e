// weight = factor · scale · (q − 4), 256 weights a super-block, a scale for every 16. Planes of a row: 8 bytes of low pairs a
// group, a word of high bits a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let words = row_base * 4u;
  let first = weight_word(words + group * 2u);
  let second = weight_word(words + group * 2u + 1u);
  let high = weight_word(words + columns / 16u + group);
  // Sixteen signed bytes a super-block of eight groups: two a group.
  let scales = weight_word(words + columns / 16u + columns / 32u + group / 2u);
  let factor = weight_half(row_base, columns / 8u + columns / 16u + columns / 32u + group / 8u);
  let a = factor * signed_byte(scales, (group & 1u) * 2u);
  let b = factor * signed_byte(scales, (group & 1u) * 2u + 1u);
  return array<vec4<f32>, 8>(
    (pairs_at(first, 0u) + 4.0 * bits_at(high, 0u) - 4.0) * a,
    (pairs_at(first, 4u) + 4.0 * bits_at(high, 4u) - 4.0) * a,
    (pairs_at(first, 8u) + 4.0 * bits_at(high, 8u) - 4.0) * a,
    (pairs_at(first, 12u) + 4.0 * bits_at(high, 12u) - 4.0) * a,
    (pairs_at(second, 0u) + 4.0 * bits_at(high, 16u) - 4.0) * b,
    (pairs_at(second, 4u) + 4.0 * bits_at(high, 20u) - 4.0) * b,
    (pairs_at(second, 8u) + 4.0 * bits_at(high, 24u) - 4.0) * b,
    (pairs_at(second, 12u) + 4.0 * bits_at(high, 28u) - 4.0) * b,
  );
}
