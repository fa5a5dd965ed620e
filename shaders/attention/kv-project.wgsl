// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys and the values of a pass become coefficients of their head's basis, as many as
// the head keeps, and go into the cache; queries become coefficients of the basis of their keys, so that products stay what they
// are. Values lose their mean first; keys need not, since a part that all keys have in common changes no softmax.
// An invocation makes four coefficients of one head.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/basis

// Four components of what is projected: of a query, or of a key or value of the pass.
fn input_quad(head: u32, row: u32, i: u32) -> vec4<f32> {
  if (head < params.heads) {
    return queries[(row * params.heads + head) * HEAD_DIM_VEC4S + i];
  }
  let part = head - params.heads;
  if (part < params.kv_heads) {
    return staged[(part * params.staged_rows + row) * HEAD_DIM_VEC4S + i];
  }
  let kv_head = part - params.kv_heads;
  let value = staged[params.first_value + (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S + i];
  return value - mean[kv_head * HEAD_DIM_VEC4S + i];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let is_query = head < params.heads;
  let is_value = head >= params.heads + params.kv_heads;
  // Number of the basis: those of keys come first.
  let own_basis = select(head - params.heads, head / params.group_size, is_query);
  let kv_head = own_basis % params.kv_heads;
  let widths = head_widths[kv_head] / 4u;
  let before = select(widths.x, widths.z, is_value);
  let width = select(widths.y, widths.w, is_value);
  var coefficients = vec4<f32>();
  if (quad < width) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      coefficients += projected(own_basis, input_quad(head, row, i), i, quad);
    }
  }
  if (is_query) {
    // Those that no key has are zero: kernels read whole heads.
    narrow_queries[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = coefficients;
    return;
  }
  if (quad >= width) {
    return;
  }
  let at = before * params.context_length + (state.position + row) * width + quad;
  if (is_value) {
    v_cache[at] = pack_stored(coefficients);
  } else {
    k_cache[at] = pack_stored(coefficients);
  }
}
