// Words of the matrix, and what halves of them are. A word stays as it is until it is used, so that nothing waits for it before.

// The word at this index.
fn weight_word(at: u32) -> u32 {
  return weights[at >> 2u][at & 3u];
}

// The first or the second half-precision number of a word, as `at` is even or odd.
fn half_of(word: u32, at: u32) -> f32 {
  return unpack2x16float(word >> (16u * (at & 1u))).x;
}
