// First step of TokenSelect in a layer: the query that selects, which is the mean of the pass's queries, turned to position LOCAL; and
// the decision whether it selects: a single token whose query is similar to the last one that did goes on with its selection (the
// Selection Cache, arXiv 2411.02886, algorithm 1). One workgroup.
//#import lib/state
//#import lib/selection
//#import lib/turn-quads
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) invocation: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let was_reusable = selection.is_reusable != 0u;
  // q·l, q·q and l·l of this query q and the last one, l.
  var sums: Sums;
  for (var unit = invocation; unit < params.heads * UNITS_PER_HEAD; unit += WORKGROUP) {
    let u = unit % UNITS_PER_HEAD;
    let quads = quads_of(u);
    let head = unit / UNITS_PER_HEAD;
    var values: Quads;
    for (var row = 0u; row < state.rows; row++) {
      let at_row = (row * params.heads + head) * HEAD_DIM_VEC4S;
      values.a += queries[at_row + quads.x];
      values.b += queries[at_row + quads.y];
    }
    values = turn(values, load_turning(u, quads, LOCAL));
    values.a /= f32(state.rows);
    values.b /= f32(state.rows);
    let at = head * HEAD_DIM_VEC4S + quads;
    query[at.x] = values.a;
    query[at.y] = values.b;
    let last = Quads(last_query[at.x], last_query[at.y]);
    sums[0] += dot(values.a, last.a) + dot(values.b, last.b);
    sums[1] += dot(values.a, values.a) + dot(values.b, values.b);
    sums[2] += dot(last.a, last.a) + dot(last.b, last.b);
  }
  sums = reduce_add(sums, invocation, subgroup_size);
  let is_dense = state.position + state.rows <= CAPACITY;
  let continues = state.continues != 0u;
  let is_similar = sums[0] >= params.similarity * sqrt(sums[1] * sums[2]);
  let reuses = continues && was_reusable && is_similar;
  let is_due = !is_dense && !reuses;
  if (is_due) {
    for (var unit = invocation; unit < params.heads * UNITS_PER_HEAD; unit += WORKGROUP) {
      let at = unit / UNITS_PER_HEAD * HEAD_DIM_VEC4S + quads_of(unit % UNITS_PER_HEAD);
      last_query[at.x] = query[at.x];
      last_query[at.y] = query[at.y];
    }
  }
  if (invocation > 0u) {
    return;
  }
  selection.is_reusable = u32(!is_dense && state.rows == 1u);
  selection.is_due = u32(is_due);
  var first_slot = 0u;
  if (continues) {
    first_slot = select(select(INITIAL + SELECTED, INITIAL, is_due), state.position, is_dense);
  }
  selection.first_slot = first_slot;
  working.position = select(CAPACITY - state.rows, state.position, is_dense);
  working.rows = state.rows;
}
