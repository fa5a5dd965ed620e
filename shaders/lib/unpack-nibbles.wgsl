// Numbers out of the words that src/quant/pack.ts makes.

//#import lib/unpack-words

fn low_nibbles(word: u32) -> vec4<f32> {
  return low_nibbles_less(word, 0.0);
}

fn high_nibbles(word: u32) -> vec4<f32> {
  return high_nibbles_less(word, 0.0);
}

// Four neighbouring 2-bit numbers from element `first` (of sixteen) of a word on.
fn pairs_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (first / 8u * 4u + first % 8u * 2u)) >> vec4<u32>(0u, 16u, 2u, 18u)) & vec4<u32>(3u));
}

// Four neighbouring bits from element `first` (of 32) of a word on.
fn bits_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (first / 8u * 2u + first % 8u * 2u)) >> vec4<u32>(0u, 16u, 1u, 17u)) & vec4<u32>(1u));
}

// The n-th byte of a word, signed.
fn signed_byte(word: u32, n: u32) -> f32 {
  return f32(bitcast<i32>(word << (24u - 8u * n)) >> 24u);
}

// The word at this index of the row's words.
fn weight_word(at: u32) -> u32 {
  return weights[at >> 2u][at & 3u];
}

// The first or the second half-precision number of a word, as `at` is even or odd.
fn half_of(word: u32, at: u32) -> f32 {
  return unpack2x16float(word >> (16u * (at & 1u))).x;
}
