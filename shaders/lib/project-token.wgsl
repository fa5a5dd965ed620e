// The newest token of a decode step on its way into ragged caches, as kv-project has it, within the attention that reads them: every
// workgroup of a KV head makes the coefficients of its queries and of its key, a vector of the basis a set of LANES invocations, as scores of
// keys are made; the one whose part holds the token puts it into the caches. `queries` holds queries, then keys, then values, as the projection left them.
//#import lib/basis

const HEAD_DIM: u32 = HEAD_VEC4S * 4u;

// Coefficients of the queries, then of the key.
var<workgroup> narrow: array<f32, (HEADS + 1u) * HEAD_DIM>;

fn narrow_quad(head: u32, quad: u32) -> vec4<f32> {
  let at = head * HEAD_DIM + quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}

fn staged_eight(first: u32, quad: u32) -> Eight {
  return Eight(queries[first + quad], queries[first + quad + 1u]);
}

// Barriers follow: whole workgroups call it.
fn project_token(kv_head: u32, holds_token: bool, invocation: u32) {
  let widths = head_widths[kv_head];
  let basis_at = basis_of(kv_head);
  let lane = invocation % LANES;
  let quad = lane * 2u;
  let staged = kv_head * params.staged_rows * HEAD_VEC4S;
//#repeat H HEADS
  let query_H = staged_eight((kv_head * HEADS + H) * HEAD_VEC4S, quad);
//#endrepeat
  let key = staged_eight(params.first_key + staged, quad);
  for (var first = 0u; first < HEAD_DIM; first += SETS) {
    let j = first + invocation / LANES;
    let vector = Eight(basis_quad(basis_at, min(j, HEAD_DIM - 1u), quad), basis_quad(basis_at, min(j, HEAD_DIM - 1u), quad + 1u));
    // Zeros beyond the width: kernels read whole heads.
    let kept = f32(j < widths.key);
//#repeat H HEADS
    var coefficient_H = dot(query_H.a, vector.a) + dot(query_H.b, vector.b);
//#endrepeat
    var of_key = dot(key.a, vector.a) + dot(key.b, vector.b);
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
//#repeat H HEADS
      coefficient_H += subgroupShuffleXor(coefficient_H, step);
//#endrepeat
      of_key += subgroupShuffleXor(of_key, step);
    }
    if (lane == 0u && j < HEAD_DIM) {
//#repeat H HEADS
      narrow[H * HEAD_DIM + j] = kept * coefficient_H;
//#endrepeat
      narrow[HEADS * HEAD_DIM + j] = of_key;
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
