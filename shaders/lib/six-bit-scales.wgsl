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

// The `i`-th run of the super-block, two groups, by their bytes. A sum by its scale stays below 2^31, five bits' do not together.
fn dot_six_bit(packed: vec4<u32>, i: u32, first: array<vec4<u32>, 2>, second: array<vec4<u32>, 2>, x: FixedRun) -> f32 {
  let two = two_scales_and_minimums(packed, i);
  let both = bitcast<vec4<i32>>((two.xxyy >> vec4<u32>(0u, 8u, 0u, 8u)) & vec4<u32>(63u));
  let products = vec2<f32>(both.xy * vec2<i32>(dot_bytes(first, x[0]), dot_bytes(second, x[1])));
  let minimums = both.z * (x[0].sums.x + x[0].sums.y) + both.w * (x[1].sums.x + x[1].sums.y);
  let factors = unpack2x16float(packed.x);
  return x[0].scale * (factors.x * (products.x + products.y) - factors.y * f32(minimums));
}
//#endif
