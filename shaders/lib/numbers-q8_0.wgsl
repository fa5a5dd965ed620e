// Eight numbers of a block of 32, signed bytes. A word of kv_scales holds the scales of a block of a key and of the same one of its value.
//#import lib/unpack-words
alias Cached = vec2<u32>;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return signed_bytes(cached[half]);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return abs(largest) / 127.0;
}

fn pack_byte_quad(scaled: vec4<f32>) -> u32 {
  return dot(vec4<u32>(vec4<i32>(scaled + 0.5 * sign(scaled))) & vec4<u32>(0xffu), vec4<u32>(1u, 0x100u, 0x10000u, 0x1000000u));
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  return vec2<u32>(pack_byte_quad(a), pack_byte_quad(b));
}
