// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes of low nibbles
// a group, 8 bytes of high pairs a group, 16 signed scales a super-block, a half-precision factor a super-block.
//#import lib/unpack-nibbles

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let q = weights[row_base + group];
  let words = row_base * 4u;
  let pairs = words + columns / 8u + group * 2u;
  let first = weight_word(pairs);
  let second = weight_word(pairs + 1u);
  // Sixteen signed bytes a super-block of eight groups: two a group.
  let scales = weight_word(words + columns / 8u + columns / 16u + group / 2u);
  let factor = weight_half(row_base, columns / 4u + columns / 8u + columns / 32u + group / 8u);
  let a = factor * signed_byte(scales, (group & 1u) * 2u);
  let b = factor * signed_byte(scales, (group & 1u) * 2u + 1u);
  return array<vec4<f32>, 8>(
    (low_nibbles(q.x) + 16.0 * pairs_at(first, 0u) - 32.0) * a,
    (high_nibbles(q.x) + 16.0 * pairs_at(first, 4u) - 32.0) * a,
    (low_nibbles(q.y) + 16.0 * pairs_at(first, 8u) - 32.0) * a,
    (high_nibbles(q.y) + 16.0 * pairs_at(first, 12u) - 32.0) * a,
    (low_nibbles(q.z) + 16.0 * pairs_at(second, 0u) - 32.0) * b,
    (high_nibbles(q.z) + 16.0 * pairs_at(second, 4u) - 32.0) * b,
    (low_nibbles(q.w) + 16.0 * pairs_at(second, 8u) - 32.0) * b,
    (high_nibbles(q.w) + 16.0 * pairs_at(second, 12u) - 32.0) * b,
  );
}
