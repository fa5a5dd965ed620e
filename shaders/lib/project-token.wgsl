// The newest token of a decode step on its way into ragged caches, as kv-project has it, within the attention that reads them: every
// workgroup of a KV head makes the coefficients of its queries, and the one whose part holds the token those of its key and value.
// `queries` holds queries, then keys, then values, as the projection left them.
//#import lib/basis

var<workgroup> narrow: array<vec4<f32>, HEADS * HEAD_VEC4S>;

// Barriers follow: whole workgroups call it.
fn project_token(kv_head: u32, holds_token: bool, invocation: u32) {
  let widths = head_widths[kv_head] / 4u;
  for (var i = invocation; i < (HEADS + 2u) * HEAD_VEC4S; i += WORKGROUP) {
    let quad = i % HEAD_VEC4S;
    let slot = i / HEAD_VEC4S;
    if (slot < HEADS) {
      let first = (kv_head * HEADS + slot) * HEAD_VEC4S;
      narrow[i] = coefficients_of(first, kv_head, quad, widths.y, false);
    } else if (holds_token) {
      let staged = kv_head * params.staged_rows * HEAD_VEC4S;
      let position = state.position;
      if (slot == HEADS && quad < widths.y) {
        let key = coefficients_of(params.first_key + staged, kv_head, quad, widths.y, false);
        k_cache[widths.x * params.context_length + position * widths.y + quad] = pack_stored(key);
      } else if (slot > HEADS && quad < widths.w) {
        let value = coefficients_of(params.first_value + staged, KV_HEADS + kv_head, quad, widths.w, true);
        v_cache[widths.z * params.context_length + position * widths.w + quad] = pack_stored(value);
      }
    }
  }
  workgroupBarrier();
  storageBarrier();
}

// Four coefficients of the head that begins at `first`; zeros beyond its width.
fn coefficients_of(first: u32, own_basis: u32, quad: u32, width: u32, is_value: bool) -> vec4<f32> {
  var sum = vec4<f32>();
  if (quad < width) {
    for (var i = 0u; i < HEAD_VEC4S; i++) {
      var given = queries[first + i];
      if (is_value) {
        given -= mean[(own_basis - KV_HEADS) * HEAD_VEC4S + i];
      }
      sum += projected(own_basis, given, i, quad);
    }
  }
  return sum;
}
