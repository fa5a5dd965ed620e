// Numbers of a group as bytes, as src/quant/pack.ts packs them: of eight elements 0, 4, 1, 5 in one word and 2, 6, 3, 7 in the next.
//#import lib/dot-group

// Four neighbours less `bias`, out of two words of four.
fn four_of_bytes(a: u32, b: u32, bias: f32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>(a, a >> 16u, b, b >> 16u) & vec4<u32>(255u)) - bias;
}

// The numbers in their order, less `bias`.
fn group_of_bytes(bytes: array<vec4<u32>, 2>, bias: f32) -> Group {
  let a = bytes[0];
  let b = bytes[1];
  let c = a >> vec4<u32>(8u);
  let d = b >> vec4<u32>(8u);
  return Group(
    four_of_bytes(a.x, a.y, bias), four_of_bytes(c.x, c.y, bias), four_of_bytes(a.z, a.w, bias), four_of_bytes(c.z, c.w, bias),
    four_of_bytes(b.x, b.y, bias), four_of_bytes(d.x, d.y, bias), four_of_bytes(b.z, b.w, bias), four_of_bytes(d.z, d.w, bias),
  );
}

fn nibble_bytes(words: vec4<u32>) -> array<vec4<u32>, 2> {
  let even = words & vec4<u32>(0x0f0f0f0fu);
  let odd = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
  return array<vec4<u32>, 2>(vec4<u32>(even.x, odd.x, even.y, odd.y), vec4<u32>(even.z, odd.z, even.w, odd.w));
}

// Sixteen 2-bit numbers.
fn pair_bytes(word: u32) -> vec4<u32> {
  return vec4<u32>(word, word >> 2u, word >> 4u, word >> 6u) & vec4<u32>(0x03030303u);
}

// The same, 16 times as large.
fn upper_pair_bytes(word: u32) -> vec4<u32> {
  return vec4<u32>(word << 4u, word << 2u, word, word >> 2u) & vec4<u32>(0x30303030u);
}

// 32 bits as 4 or nothing.
fn third_bit_bytes(word: u32) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(
    vec4<u32>(word << 2u, word << 1u, word, word >> 1u) & vec4<u32>(0x04040404u),
    vec4<u32>(word >> 2u, word >> 3u, word >> 4u, word >> 5u) & vec4<u32>(0x04040404u),
  );
}

// 32 bits as 16 or nothing.
fn fifth_bit_bytes(word: u32) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(
    vec4<u32>(word << 4u, word << 3u, word << 2u, word << 1u) & vec4<u32>(0x10101010u),
    vec4<u32>(word, word >> 1u, word >> 2u, word >> 3u) & vec4<u32>(0x10101010u),
  );
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(vec4<u32>(a.x, b.x, a.y, b.y), vec4<u32>(a.z, b.z, a.w, b.w));
}
