// A group of 32 numbers of four or five bits, as the words of its row have them.
//#import lib/row-words
//#import lib/unpack-words
//#import lib/packed-bytes

// Less `bias`.
fn four_bits(words: vec4<u32>, bias: f32) -> Group {
  return Group(
    low_nibbles_less(words.x, bias), high_nibbles_less(words.x, bias),
    low_nibbles_less(words.y, bias), high_nibbles_less(words.y, bias),
    low_nibbles_less(words.z, bias), high_nibbles_less(words.z, bias),
    low_nibbles_less(words.w, bias), high_nibbles_less(words.w, bias),
  );
}

// `fifth` has the highest bit of each number.
fn five_bit_bytes(words: vec4<u32>, fifth: u32) -> array<vec4<u32>, 2> {
  let four = nibble_bytes(words);
  let bits = fifth_bit_bytes(fifth);
  return array<vec4<u32>, 2>(four[0] | bits[0], four[1] | bits[1]);
}
