// Numbers of a group as bytes, as src/quant/pack.ts packs them: of eight elements 0, 4, 1, 5 in one word and 2, 6, 3, 7 in the next.

fn nibble_bytes(words: vec4<u32>) -> array<vec4<u32>, 2> {
  let even = words & vec4<u32>(0x0f0f0f0fu);
  let odd = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
  return array<vec4<u32>, 2>(vec4<u32>(even.x, odd.x, even.y, odd.y), vec4<u32>(even.z, odd.z, even.w, odd.w));
}

// Sixteen 2-bit numbers.
fn pair_bytes(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(0x03030303u);
}

// 32 bits.
fn bit_bytes(word: u32) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(
    (vec4<u32>(word) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(0x01010101u),
    (vec4<u32>(word) >> vec4<u32>(4u, 5u, 6u, 7u)) & vec4<u32>(0x01010101u),
  );
}

// Bytes below 128, each less the same byte of `bias`, signed: the top bit, set for now, keeps a byte from borrowing of its neighbour.
fn bytes_less(bytes: vec4<u32>, bias: u32) -> vec4<u32> {
  return ((bytes | vec4<u32>(0x80808080u)) - vec4<u32>(bias)) ^ vec4<u32>(0x80808080u);
}

fn byte_order(a: vec4<i32>, b: vec4<i32>) -> array<vec4<i32>, 2> {
  return array<vec4<i32>, 2>(vec4<i32>(a.x, b.x, a.y, b.y), vec4<i32>(a.z, b.z, a.w, b.w));
}
