// Pairs of 4-bit numbers as halves without a conversion: the bits of n in the mantissa of 1024 are 1024 + n, one binade up 1024 + 16n.

// Numbers at bits 0 and 16, less `offset` (1024 + the format's own).
fn low_pair(word: u32, offset: f16) -> vec2<f16> {
  return bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - vec2<f16>(offset);
}

// Numbers at bits 4 and 20, less `offset`.
fn high_pair(word: u32, offset: f16) -> vec2<f16> {
  return fma(
    bitcast<vec2<f16>>((word & 0x00f000f0u) | 0x64006400u),
    vec2<f16>(0.0625h), vec2<f16>(960.0h - offset),
  );
}

// Eight numbers of a word, in order: pairs stand at bits 0, 4, 8 and 12 of both halves (src/quant/pack.ts).
fn nibbles(word: u32, offset: f16) -> array<vec4<f16>, 2> {
  let late = word >> 8u;
  return array<vec4<f16>, 2>(
    vec4<f16>(low_pair(word, offset), high_pair(word, offset)),
    vec4<f16>(low_pair(late, offset), high_pair(late, offset)),
  );
}
