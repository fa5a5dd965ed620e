// Second step of TokenSelect: q·k of every candidate, the cached tokens behind the first INITIAL and before the last KEPT, for the query heads of a
// KV head at once, where a selection is due. A workgroup takes a KV head and one of
// STRIPS parts of the candidates, in a layer.
// ragged: keys are coefficients of their head's basis (MatryoshkaKV), and so become the queries.
// stream: LANES neighbouring invocations take KEYS neighbouring keys, eight components each, so that a subgroup reads whole rows.
//#import lib/state
//#import lib/selection
//#import lib/stored-{kv}
//#if !packed
alias Cached = Stored;
//#endif
//#import lib/selected-rows
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/max-{reduce}

//#if stream
const LANES: u32 = HEAD_DIM_VEC4S / 2u;
const SETS: u32 = WORKGROUP / LANES;
//#endif
//#if holds_queries
// Of the KV head's GROUP query heads.
var<workgroup> query: array<vec4<f32>, GROUP * HEAD_DIM_VEC4S>;
//#endif

//#if ragged
// Coefficients 4 quad to 4 quad + 3 of the query from `first` on: zeros where keys have none.
fn narrow_query(widths: HeadWidths, first: u32, quad: u32) -> vec4<f32> {
  var coefficients = vec4<f32>();
  if (quad * 4u < widths.key) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      coefficients += projected(widths.basis, asked[first + i], i, quad);
    }
  }
  return coefficients;
}
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
  let layer = workgroup.z;
  if (selections[layer].is_due == 0u) {
    return;
  }
  let strip = workgroup.x;
  let kv_head = workgroup.y;
  let own_asked = layer * ASKED_STRIDE + kv_head * GROUP * HEAD_DIM_VEC4S;
  let own_scores = layer * SCORE_STRIDE + kv_head * GROUP * params.context_length;
//#if holds_queries
  for (var i = invocation; i < GROUP * HEAD_DIM_VEC4S; i += WORKGROUP) {
//#if ragged
    query[i] = narrow_query(widths_of(layer, kv_head), own_asked + i / HEAD_DIM_VEC4S * HEAD_DIM_VEC4S, i % HEAD_DIM_VEC4S);
//#else
    query[i] = asked[own_asked + i];
//#endif
  }
  workgroupBarrier();
//#endif
//#if stream
  let lane = invocation % LANES;
//#repeat H GROUP
  let at_H = H * HEAD_DIM_VEC4S + 2u * lane;
//#if holds_queries
  let query_a_H = query[at_H];
  let query_b_H = query[at_H + 1u];
//#else
  let query_a_H = asked[own_asked + at_H];
  let query_b_H = asked[own_asked + at_H + 1u];
//#endif
//#endrepeat
//#endif

  let end = state.position + state.rows - KEPT;
  let span = (end - INITIAL + STRIPS - 1u) / STRIPS;
  let first = INITIAL + strip * span;
  let strip_end = min(first + span, end);
//#repeat H GROUP
  var largest_H = -3.0e38;
  var total_H = 0.0;
//#endrepeat
//#if stream
  for (var block = first; block < strip_end; block += SETS * KEYS) {
    let own_first = block + invocation / LANES * KEYS;
//#repeat U KEYS
    let row_U = selected_row(layer, kv_head, min(own_first + U, strip_end - 1u));
    let key_a_U = key_quad(row_U, 2u * lane);
    let key_b_U = key_quad(row_U, 2u * lane + 1u);
//#endrepeat
//#repeat H GROUP
    var score_H = 0.0;
//#repeat U KEYS
    {
      var score = dot(query_a_H, key_a_U) + dot(query_b_H, key_b_U);
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score += subgroupShuffleXor(score, step);
      }
      score_H = select(score_H, score, lane == U);
    }
//#endrepeat
//#endrepeat
    // Each key's scores are left to one of the invocations.
    let token = own_first + lane;
    let is_own = lane < KEYS && token < strip_end;
//#else
  for (var token = first + invocation; token < strip_end; token += WORKGROUP) {
    let is_own = true;
    let row = selected_row(layer, kv_head, token);
//#repeat H GROUP
    var score_H = 0.0;
//#endrepeat
    for (var i = 0u; i < key_quads(row); i++) {
      let key = key_quad(row, i);
//#repeat H GROUP
      score_H += dot(query[H * HEAD_DIM_VEC4S + i], key);
//#endrepeat
    }
//#endif
    if (is_own) {
//#repeat H GROUP
      scores[own_scores + H * params.context_length + token] = score_H;
      let new_largest_H = max(largest_H, score_H);
      total_H = total_H * exp(largest_H - new_largest_H) + exp(score_H - new_largest_H);
      largest_H = new_largest_H;
//#endrepeat
    }
  }
  var largest: Sums;
  var totals: Sums;
//#repeat H GROUP
  largest[H] = largest_H;
//#endrepeat
  largest = reduce_max(largest, invocation, subgroup_size);
//#repeat H GROUP
  totals[H] = total_H * exp(largest_H - largest[H]);
//#endrepeat
  totals = reduce_add(totals, invocation, subgroup_size);
  if (invocation == 0u) {
//#repeat H GROUP
    strips[layer * STRIP_STRIDE + (kv_head * GROUP + H) * STRIPS + strip] = vec2<f32>(largest[H], totals[H]);
//#endrepeat
  }
}
