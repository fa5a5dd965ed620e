// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.
//#import lib/unpack-nibbles
//#import lib/plain-group
//#if fixed
//#import lib/fixed-point
//#import lib/packed-bytes
//#endif

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

// Scales of the two halves, then their minimums.
fn factors_of(raw: RawGroup) -> vec4<f32> {
  let factors = unpack2x16float(raw.factors);
  return factors.xxyy * vec4<f32>((vec4<u32>(raw.scales) >> vec4<u32>(0u, 8u, 4u, 12u)) & vec4<u32>(15u));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = factors_of(raw);
  let a = factors.x;
  let b = factors.y;
  let a_minimum = factors.z;
  let b_minimum = factors.w;
  return array<vec4<f32>, 8>(
    pairs_at(raw.first, 0u) * a - a_minimum, pairs_at(raw.first, 4u) * a - a_minimum,
    pairs_at(raw.first, 8u) * a - a_minimum, pairs_at(raw.first, 12u) * a - a_minimum,
    pairs_at(raw.second, 0u) * b - b_minimum, pairs_at(raw.second, 4u) * b - b_minimum,
    pairs_at(raw.second, 8u) * b - b_minimum, pairs_at(raw.second, 12u) * b - b_minimum,
  );
}

//#if fixed
// Minimums need the sums of both halves of x: its products with ones, the same for all rows.
fn dot_fixed(raw: RawGroup, x: FixedGroup) -> f32 {
  let ones = vec4<u32>(0x01010101u);
  let first = pair_bytes(raw.first);
  let second = pair_bytes(raw.second);
  let sums = vec4<f32>(
    f32(256 * dot_sixteen(first, x.high[0]) + dot_sixteen(first, x.low[0])),
    f32(256 * dot_sixteen(second, x.high[1]) + dot_sixteen(second, x.low[1])),
    -f32(256 * dot_sixteen(ones, x.high[0]) + dot_sixteen(ones, x.low[0])),
    -f32(256 * dot_sixteen(ones, x.high[1]) + dot_sixteen(ones, x.low[1])),
  );
  return x.scale * dot(factors_of(raw), sums);
}
//#endif
