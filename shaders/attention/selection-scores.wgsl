// First step of TokenSelect in a layer. Does this pass select? A single token whose query is similar to the last one that did goes on with
// its selection (the Selection Cache, arXiv 2411.02886, algorithm 1). If so: q·k of every candidate, the cached tokens behind the first INITIAL
// and before the last LOCAL, for the query heads of a KV head at once. q is the mean of the pass's queries, turned to position LOCAL; keys
// are cached before rotation. A workgroup takes a KV head and one of STRIPS parts of the candidates.
//#import lib/state
//#import lib/selection
//#import lib/turn-quads
//#import lib/stored-{kv}
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/max-{reduce}

// Of the KV head's GROUP query heads.
var<workgroup> query: array<vec4<f32>, GROUP * HEAD_DIM_VEC4S>;
var<workgroup> is_due: u32;

fn bring_query(kv_head: u32, invocation: u32) {
  for (var unit = invocation; unit < GROUP * UNITS_PER_HEAD; unit += WORKGROUP) {
    let head = kv_head * GROUP + unit / UNITS_PER_HEAD;
    let u = unit % UNITS_PER_HEAD;
    let quads = quads_of(u);
    var sum = Quads(vec4<f32>(), vec4<f32>());
    for (var row = 0u; row < state.rows; row++) {
      let at = (row * params.heads + head) * HEAD_DIM_VEC4S + quads;
      sum.a += queries[at.x];
      sum.b += queries[at.y];
    }
    let turned = turn(sum, load_turning(u, quads, LOCAL));
    let to = unit / UNITS_PER_HEAD * HEAD_DIM_VEC4S + quads;
    query[to.x] = turned.a / f32(state.rows);
    query[to.y] = turned.b / f32(state.rows);
  }
}

// Is the cosine of the token's queries and of those that selected last large enough? All heads side by side.
fn is_similar(invocation: u32, subgroup_size: u32) -> bool {
  var sums: Sums;
  for (var i = invocation; i < params.heads * HEAD_DIM_VEC4S; i += WORKGROUP) {
    let own = queries[i];
    let last = last_query[i];
    sums[0] += dot(own, last);
    sums[1] += dot(own, own);
    sums[2] += dot(last, last);
  }
  sums = reduce_add(sums, invocation, subgroup_size);
  return sums[0] >= params.similarity * sqrt(sums[1] * sums[2]);
}

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
  let strip = workgroup.x;
  let kv_head = workgroup.y;
  let tokens = state.position + state.rows;
  var due = tokens > CAPACITY;
  if (due && state.continues != 0u && selection.is_reusable != 0u) {
    due = !is_similar(invocation, subgroup_size);
  }
  if (invocation == 0u) {
    is_due = u32(due);
    if (strip == 0u && kv_head == 0u) {
      scales.is_due = u32(due);
    }
  }
  if (workgroupUniformLoad(&is_due) == 0u) {
    return;
  }
  bring_query(kv_head, invocation);
  workgroupBarrier();

  let end = tokens - LOCAL;
  let span = (end - INITIAL + STRIPS - 1u) / STRIPS;
  let first = INITIAL + strip * span;
  let strip_end = min(first + span, end);
//#repeat H GROUP
  var largest_H = -3.0e38;
  var total_H = 0.0;
//#endrepeat
  for (var token = first + invocation; token < strip_end; token += WORKGROUP) {
    let at = (kv_head * params.context_length + token) * HEAD_DIM_VEC4S;
//#repeat H GROUP
    var score_H = 0.0;
//#endrepeat
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      let key = unpack_stored(k_cache[at + i]);
//#repeat H GROUP
      score_H += dot(query[H * HEAD_DIM_VEC4S + i], key);
//#endrepeat
    }
//#repeat H GROUP
    scores[(kv_head * GROUP + H) * params.context_length + token] = score_H;
    let new_largest_H = max(largest_H, score_H);
    total_H = total_H * exp(largest_H - new_largest_H) + exp(score_H - new_largest_H);
    largest_H = new_largest_H;
//#endrepeat
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
    scales.strips[(kv_head * GROUP + H) * STRIPS + strip] = vec2<f32>(largest[H], totals[H]);
//#endrepeat
  }
}
