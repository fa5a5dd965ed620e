// Eight numbers of a block of 32, half bytes that stand for −8 to 7, in the order of lib/unpack-words. Scales as in lib/numbers-q8_0.
//#import lib/unpack-words
alias Cached = u32;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return select(low_nibbles_less(cached, 8.0), high_nibbles_less(cached, 8.0), half == 1u);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return largest / -8.0;
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  let low = vec4<u32>(min(a + 8.5, vec4<f32>(15.5)));
  let high = vec4<u32>(min(b + 8.5, vec4<f32>(15.5)));
  return dot(low, vec4<u32>(1u, 0x10000u, 0x10u, 0x100000u)) | dot(high, vec4<u32>(0x100u, 0x1000000u, 0x1000u, 0x10000000u));
}
