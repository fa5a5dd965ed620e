// What packed caches hold up to the end of a pass, in halves, for kernels that read nothing else. [KV head][token][component].
// ragged: rows are made whole, keys by zeros and values by what they are on average (lib/left-out), so that those kernels know no widths.
// An invocation makes eight components of a key and of its value, and goes on with others: how many there are is known on the GPU alone.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/left-out

const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
//#import lib/cached-rows

fn halves(a: vec4<f32>, b: vec4<f32>) -> vec4<u32> {
  return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

fn key_quad(rows: CachedRows, position: u32, quad: u32) -> vec4<f32> {
  return select(vec4<f32>(), cached_key(rows, position, quad), quad < key_width(rows));
}

fn value_quad(rows: CachedRows, kv_head: u32, position: u32, quad: u32) -> vec4<f32> {
  return with_left_out(cached_value(rows, position, quad), 1.0, left_out_of(kv_head, quad));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
  let tokens = state.position + state.rows;
  let eights = HEAD_DIM_VEC4S / 2u;
  for (var i = id.x; i < params.kv_heads * tokens * eights; i += workgroups.x * WORKGROUP) {
    let kv_head = i / eights / tokens;
    let position = i / eights % tokens;
    let quad = i % eights * 2u;
    let rows = cached_rows(kv_head);
    let at = (kv_head * params.context_length + position) * eights + quad / 2u;
    keys[at] = halves(key_quad(rows, position, quad), key_quad(rows, position, quad + 1u));
    values[at] = halves(value_quad(rows, kv_head, position, quad), value_quad(rows, kv_head, position, quad + 1u));
  }
}
