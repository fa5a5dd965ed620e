// The newest token of a decode step on its way into ragged caches, as kv-project has it, within the attention that reads them: every
// workgroup of a KV head makes the coefficients of its queries and of its key; the one whose part holds the token puts it into the caches.
// A vector of the basis is read once for all of them, by VECTOR_LANES invocations. `queries` holds queries, then keys, then values, as the
// projection left them.
//#import lib/basis

const HEAD_DIM: u32 = HEAD_VEC4S * 4u;
const VECTORS: u32 = WORKGROUP / VECTOR_LANES;

// Queries, then the key: as they are, and their coefficients, zeros beyond the width since kernels read whole heads.
var<workgroup> whole: array<vec4<f32>, PROJECTED * HEAD_VEC4S>;
var<workgroup> narrow: array<f32, PROJECTED * HEAD_DIM>;

fn narrow_quad(head: u32, quad: u32) -> vec4<f32> {
  let at = head * HEAD_DIM + quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}

// Barriers follow: whole workgroups call it.
fn project_token(kv_head: u32, holds_token: bool, invocation: u32) {
  let width = head_widths[kv_head].key;
  let own_vector = invocation / VECTOR_LANES;
  let lane = invocation % VECTOR_LANES;
  let staged = kv_head * params.staged_rows * HEAD_VEC4S;
  var at = basis_of(kv_head) + own_vector * HEAD_VEC4S + lane;
//#repeat I LANE_QUADS
  var vector_I = basis[at + I * VECTOR_LANES];
//#endrepeat
  for (var i = invocation; i < PROJECTED * HEAD_VEC4S; i += WORKGROUP) {
    let of_key = params.first_key + staged + i - HEADS * HEAD_VEC4S;
    whole[i] = queries[select(kv_head * HEADS * HEAD_VEC4S + i, of_key, i >= HEADS * HEAD_VEC4S)];
  }
  workgroupBarrier();
  for (var first = 0u; first < width; first += VECTORS) {
    let j = first + own_vector;
//#repeat V PROJECTED
    var sum_V = 0.0;
//#endrepeat
//#repeat I LANE_QUADS
    let quad_I = vec4<f32>(unpack2x16float(vector_I.x), unpack2x16float(vector_I.y));
//#repeat V PROJECTED
    sum_V += dot(whole[V * HEAD_VEC4S + I * VECTOR_LANES + lane], quad_I);
//#endrepeat
//#endrepeat
    at += VECTORS * HEAD_VEC4S;
    if (first + VECTORS < width) {
//#repeat I LANE_QUADS
      vector_I = basis[at + I * VECTOR_LANES];
//#endrepeat
    }
    for (var step = VECTOR_LANES / 2u; step > 0u; step /= 2u) {
//#repeat V PROJECTED
      sum_V += subgroupShuffleXor(sum_V, step);
//#endrepeat
    }
    if (lane == 0u && j < width) {
//#repeat V PROJECTED
      narrow[V * HEAD_DIM + j] = sum_V;
//#endrepeat
    }
  }
  workgroupBarrier();
  if (holds_token && invocation < HEAD_VEC4S) {
    let rows = cached_rows(kv_head);
    if (invocation < key_width(rows)) {
      k_cache[key_at(rows, state.position, invocation)] = pack_stored(narrow_quad(HEADS, invocation));
    }
    if (invocation < value_width(rows)) {
      v_cache[value_at(rows, state.position, invocation)] = pack_stored(queries[params.first_value + staged + invocation]);
    }
  }
  storageBarrier();
}
