// A group of 32 weights whose halves have scales of their own. Where they are multiplied as they are, they are decoded first; as bytes, each
// half's scale comes in once, behind its sum.
//#import lib/plain-group
//#if fixed
//#import lib/fixed-point
//#import lib/packed-bytes
//#endif

//#if fixed
fn dot_fixed(raw: RawGroup, x: FixedGroup) -> f32 {
  let bytes = bytes_of(raw);
  let sums = vec2<f32>(
    f32(256 * dot_sixteen(bytes[0], x.high[0]) + dot_sixteen(bytes[0], x.low[0])),
    f32(256 * dot_sixteen(bytes[1], x.high[1]) + dot_sixteen(bytes[1], x.low[1])),
  );
  return x.scale * dot(scales_of(raw), sums);
}
//#endif
