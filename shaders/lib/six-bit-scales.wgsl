// Scale and minimum of group `i` (0..7) of a super-block, out of the 16 bytes of factors (two halves) and 12 bytes of 6-bit
// numbers: the first four scales and minimums in the low bits of bytes 0..3 and 4..7, the others split over all three words.
fn scale_and_minimum(packed: vec4<u32>, i: u32) -> vec2<f32> {
  let shift = 8u * (i & 3u);
  let a = packed.y >> shift;
  let b = packed.z >> shift;
  let c = packed.w >> shift;
  let early = vec2<u32>(a & 63u, b & 63u);
  let late = vec2<u32>((c & 15u) | ((a >> 2u) & 48u), ((c >> 4u) & 15u) | ((b >> 2u) & 48u));
  return unpack2x16float(packed.x) * vec2<f32>(select(late, early, i < 4u));
}
