// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys of a pass become coefficients of their head's basis, as many as the head keeps, and
// go into the cache; queries become coefficients of the same basis, so that products stay what they are. What all keys have in common
// changes no softmax, so no mean is taken. Values are projected into their basis already (the file's weights are of it): the first of
// them are kept. An invocation makes four components of one head.
// staged: keys and values are put where they stand in the pass, on their way to a packed cache.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/head-widths
//#import lib/basis

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(kv_head: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(kv_head, quad * 4u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 1u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 2u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 3u, i)),
  );
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
//#if staged
  let slot = row;
//#else
  let slot = state.position + row;
//#endif
  let is_query = head < params.heads;
  let kv_head = select((head - params.heads) % params.kv_heads, head / params.group_size, is_query);
  let from_token = (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S;
  let widths = head_widths[kv_head];
  if (head >= params.heads + params.kv_heads) {
    if (quad * 4u < widths.value) {
      let at = (widths.first_value * params.context_length + slot * widths.value) / 4u;
      v_cache[at + quad] = pack_stored(staged[params.first_value + from_token + quad]);
    }
    return;
  }
  let from_query = (row * params.heads + head) * HEAD_DIM_VEC4S;
  var coefficients = vec4<f32>();
  if (quad * 4u < widths.key) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      var given: vec4<f32>;
      if (is_query) {
        given = queries[from_query + i];
      } else {
        given = staged[from_token + i];
      }
      coefficients += projected(kv_head, given, i, quad);
    }
  }
  if (is_query) {
    // Those that no key has are zero: kernels read whole heads.
    narrow_queries[from_query + quad] = coefficients;
  } else if (quad * 4u < widths.key) {
    let at = (widths.first_key * params.context_length + slot * widths.key) / 4u;
    k_cache[at + quad] = pack_stored(coefficients);
  }
}
