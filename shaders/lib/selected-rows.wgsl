// The caches that tokens are selected from, in quads: a layer's rows [KV head][token] of HEAD_DIM_VEC4S.
// packed: two quads to a Cached, whose numbers want a scale: lib/numbers-q8_0.
//#if packed
// Of the block of a key and of its value that a quad is in.
fn scales_of_quad(layer: u32, at: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[layer * SCALES_STRIDE + at / 8u]);
}

fn key_quad(layer: u32, at: u32) -> vec4<f32> {
  return scales_of_quad(layer, at).x * numbers_of(k_cache[(layer * CACHE_STRIDE + at) / 2u], at % 2u);
}
//#else
fn key_quad(layer: u32, at: u32) -> vec4<f32> {
  return unpack_stored(k_cache[layer * CACHE_STRIDE + at]);
}
//#endif
