// 6-bit scales and minimums of a super-block of eight groups, out of 16 bytes: factors (two halves), then scales 0..3, minimums 0..3, and
// what is left of both: low bits in the third word, high bits above those of the first four.

// Of groups 2i and 2i + 1, in the low bytes of a word each.
fn two_scales_and_minimums(packed: vec4<u32>, i: u32) -> vec2<u32> {
  let shift = 16u * (i & 1u);
  let a = packed.y >> shift;
  let b = packed.z >> shift;
  let c = packed.w >> shift;
  let late = vec2<u32>((c & 0x0f0fu) | ((a >> 2u) & 0x3030u), ((c >> 4u) & 0x0f0fu) | ((b >> 2u) & 0x3030u));
  return select(late, vec2<u32>(a, b) & vec2<u32>(0x3f3fu), i < 2u);
}

// Of group i, by the factors: scale and offset, the minimum below zero.
fn scale_and_offset(packed: vec4<u32>, i: u32) -> vec2<f32> {
  let two = two_scales_and_minimums(packed, i / 2u);
  let factors = unpack2x16float(packed.x) * vec2<f32>((two >> vec2<u32>(8u * (i & 1u))) & vec2<u32>(63u));
  return vec2<f32>(factors.x, -factors.y);
}

//#if fixed
//#import lib/fixed-point

// A run of two groups: what group `g` of the `i`-th run of the super-block adds to a product, by its bytes.
fn dot_six_bit(packed: vec4<u32>, i: u32, g: u32, bytes: array<vec4<u32>, 2>, x: FixedGroup) -> f32 {
  let both = (two_scales_and_minimums(packed, i) >> vec2<u32>(8u * g)) & vec2<u32>(63u);
  let factors = unpack2x16float(packed.x);
  return x.scale * (factors.x * f32(i32(both.x) * dot_bytes(bytes, x)) - factors.y * f32(both.y) * x.sum);
}
//#endif
