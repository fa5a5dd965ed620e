// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys of a pass become coefficients of their head's basis, as many as the head keeps, and
// go into the cache; queries become coefficients of the same basis, so that products stay what they are. What all keys have in common
// changes no softmax, so no mean is taken. Values are projected into their basis already (the file's weights are of it): the first of
// them are kept. An invocation makes four components of one head.
// queries: they become coefficients too. Not where tokens are selected: attention has whole keys there.
// staged: keys and values are put where they stand in the pass, on their way to a packed cache; `head_widths` may be a layer's of several.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/head-widths
//#import lib/basis

// The KV head of a head: queries are first, then keys, then values.
fn head_of(head: u32) -> u32 {
//#if queries
  if (head < params.heads) {
    return head / params.group_size;
  }
//#endif
  return (head - params.heads) % params.kv_heads;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let kv_head = head_of(head);
  let from_token = (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S;
  let widths = head_widths[kv_head];
//#if staged
  let slot = row;
  let first_key = widths.first_key - head_widths[0].first_key;
  let first_value = widths.first_value - head_widths[0].first_value;
//#else
  let slot = state.position + row;
  let first_key = widths.first_key;
  let first_value = widths.first_value;
//#endif
  if (head >= params.heads + params.kv_heads) {
    if (quad * 4u < widths.value) {
      let at = first_value / 4u * params.context_length + slot * (widths.value / 4u);
      v_cache[at + quad] = pack_stored(staged[params.first_value + from_token + quad]);
    }
    return;
  }
//#if queries
  if (head < params.heads) {
    let from_query = (row * params.heads + head) * HEAD_DIM_VEC4S;
    // Those that no key has are zero: kernels read whole heads.
    var coefficients = vec4<f32>();
    if (quad * 4u < widths.key) {
      for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
        coefficients += projected(basis_of(kv_head), queries[from_query + i], i, quad);
      }
    }
    narrow_queries[from_query + quad] = coefficients;
    return;
  }
//#endif
  if (quad * 4u < widths.key) {
    var coefficients = vec4<f32>();
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      coefficients += projected(basis_of(kv_head), staged[from_token + i], i, quad);
    }
    let at = first_key / 4u * params.context_length + slot * (widths.key / 4u);
    k_cache[at + quad] = pack_stored(coefficients);
  }
}
