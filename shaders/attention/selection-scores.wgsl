// Second step of TokenSelect: q·k of every candidate, the cached tokens behind the first INITIAL and before the last LOCAL, for the query
// heads of a KV head at once. Keys are cached before rotation. The candidates are cut into STRIPS; a strip also gets its maximum and its
// sum of exponentials, for the softmax of selection-votes. LANES invocations share a strip.
//#import lib/state
//#import lib/selection
//#import lib/stored-{kv}
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#if shared
//#import lib/max-{reduce}
var<workgroup> queries: array<vec4<f32>, SUMS * HEAD_DIM_VEC4S>;
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  if (selection.is_due == 0u) {
    return;
  }
  let kv_head = workgroup.y;
  let lane = invocation % LANES;
  let strip = workgroup.x * (WORKGROUP / LANES) + invocation / LANES;
  let end = state.position + state.rows - LOCAL;
  let span = (end - INITIAL + STRIPS - 1u) / STRIPS;
  let first = INITIAL + strip * span;
  let strip_end = min(first + span, end);
  let first_query = kv_head * SUMS * HEAD_DIM_VEC4S;
//#if shared
  for (var i = invocation; i < SUMS * HEAD_DIM_VEC4S; i += WORKGROUP) {
    queries[i] = query[first_query + i];
  }
  workgroupBarrier();
//#endif
//#repeat H SUMS
  var largest_H = -3.0e38;
  var total_H = 0.0;
//#endrepeat
  for (var token = first + lane; token < strip_end; token += LANES) {
    let at = (kv_head * params.context_length + token) * HEAD_DIM_VEC4S;
//#repeat H SUMS
    var score_H = 0.0;
//#endrepeat
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      let key = unpack_stored(k_cache[at + i]);
//#repeat H SUMS
//#if shared
      score_H += dot(queries[H * HEAD_DIM_VEC4S + i], key);
//#else
      score_H += dot(query[first_query + H * HEAD_DIM_VEC4S + i], key);
//#endif
//#endrepeat
    }
//#repeat H SUMS
    scores[(kv_head * SUMS + H) * params.context_length + token] = score_H;
    let new_largest_H = max(largest_H, score_H);
    total_H = total_H * exp(largest_H - new_largest_H) + exp(score_H - new_largest_H);
    largest_H = new_largest_H;
//#endrepeat
  }
  var largest: Sums;
  var totals: Sums;
//#repeat H SUMS
  largest[H] = largest_H;
  totals[H] = total_H;
//#endrepeat
//#if shared
  largest = reduce_max(largest, lane, subgroup_size);
//#repeat H SUMS
  totals[H] *= exp(largest_H - largest[H]);
//#endrepeat
  totals = reduce_add(totals, lane, subgroup_size);
//#endif
  if (lane == 0u) {
//#repeat H SUMS
    strips[(kv_head * SUMS + H) * STRIPS + strip] = vec2<f32>(largest[H], totals[H]);
//#endrepeat
  }
}
