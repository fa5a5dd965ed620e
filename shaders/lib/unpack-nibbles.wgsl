// Numbers out of the words that src/quant/pack.ts makes.

// Eight 4-bit numbers of a word, less `bias`: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j. A number n at bits p to p + 3 of the
// mantissa of 2^(23 - p) makes 2^(23 - p) + n, so that no conversion is needed, and a shift only for bits that the mantissa has no room for.
fn low_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let bits = vec4<u32>(word, word, word, word >> 12u) & vec4<u32>(0xfu, 0xf0000u, 0xf0u, 0xf00u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u, 0x43000000u, 0x49000000u, 0x47000000u))
    - (vec4<f32>(8388608.0, 128.0, 524288.0, 32768.0) + bias);
}

fn high_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let upper = word >> 12u;
  let bits = vec4<u32>(word, upper, word, upper) & vec4<u32>(0xf00u, 0xf000u, 0xf000u, 0xf0000u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x47000000u, 0x45000000u, 0x45000000u, 0x43000000u))
    - (vec4<f32>(32768.0, 2048.0, 2048.0, 128.0) + bias);
}

fn low_nibbles(word: u32) -> vec4<f32> {
  return low_nibbles_less(word, 0.0);
}

fn high_nibbles(word: u32) -> vec4<f32> {
  return high_nibbles_less(word, 0.0);
}

// Four neighbouring 2-bit numbers from element `first` of a word on.
fn pairs_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (2u * first)) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u));
}

// Four neighbouring bits from element `first` of a word on.
fn bits_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> first) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
}

// The n-th byte of a word, signed.
fn signed_byte(word: u32, n: u32) -> f32 {
  return f32(bitcast<i32>(word << (24u - 8u * n)) >> 24u);
}

// The word at this index of the row's words.
fn weight_word(at: u32) -> u32 {
  return weights[at >> 2u][at & 3u];
}

// The half-precision number at this index of the row's half words.
fn weight_half(row_base: u32, at: u32) -> f32 {
  let both = unpack2x16float(weight_word(row_base * 4u + (at >> 1u)));
  return select(both.x, both.y, (at & 1u) == 1u);
}
