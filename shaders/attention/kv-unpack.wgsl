// What packed caches hold up to the end of a pass, in halves, for kernels that read nothing else. [KV head][token][component] as in the caches.
// An invocation makes eight components of a key and of its value, and goes on with others: how many there are is known on the GPU alone.
//#import lib/state
//#import lib/stored-{kv}

fn halves(cached: Cached, scale: f32) -> vec4<u32> {
  let a = scale * numbers_of(cached, 0u);
  let b = scale * numbers_of(cached, 1u);
  return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
  let row = (state.position + state.rows) * HEAD_BLOCKS * 4u;
  for (var i = id.x; i < params.kv_heads * row; i += workgroups.x * WORKGROUP) {
    let at = i / row * params.context_length * HEAD_BLOCKS * 4u + i % row;
    let scales = unpack2x16float(kv_scales[at / 4u]);
    keys[at] = halves(k_cache[at], scales.x);
    values[at] = halves(v_cache[at], scales.y);
  }
}
