// First step of TokenSelect behind a decode step: is a selection due for the next one? A query that is similar to the last one that selected goes
// on with its selection (the Selection Cache, arXiv 2411.02886, algorithm 1) as long as the working set has room for one more token. The query
// was turned to its slot for attention; here it is turned to position LOCAL. A workgroup takes a layer.
// own: the step itself attends to what it asks for, its query turned to the last slot that is filled; a selection is due in any long context, and no
// step may go on with it.
//#import lib/state
//#import lib/selection
//#import lib/turn-quads
const SUMS: u32 = 3u;
alias Sums = array<f32, SUMS>;
//#import lib/reduce-workgroup

const QUERY_VEC4S: u32 = HEADS * HEAD_DIM_VEC4S;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  let own_query = layer * QUERY_STRIDE;
  let own_asked = layer * ASKED_STRIDE;
  let slot = working[layer].position;
  let was_reusable = selections[layer].is_reusable != 0u;
  var sums: Sums;
  for (var unit = invocation; unit < HEADS * UNITS_PER_HEAD; unit += WORKGROUP) {
    let u = unit % UNITS_PER_HEAD;
    let quads = quads_of(u);
    let at = unit / UNITS_PER_HEAD * HEAD_DIM_VEC4S + quads;
    let plain = turn(Quads(queries[own_query + at.x], queries[own_query + at.y]), turned_back(load_turning(u, quads, slot)));
    let own = turn(plain, load_turning(u, quads, LOCAL));
    let to = own_asked + at;
    asked[to.x] = own.a;
    asked[to.y] = own.b;
    let last = Quads(asked[QUERY_VEC4S + to.x], asked[QUERY_VEC4S + to.y]);
    sums[0] += dot(own.a, last.a) + dot(own.b, last.b);
    sums[1] += dot(own.a, own.a) + dot(own.b, own.b);
    sums[2] += dot(last.a, last.a) + dot(last.b, last.b);
  }
  sums = reduce_add(sums, invocation, 1u);
  let is_long = state.position + 1u >= CAPACITY;
//#if own
  let is_due = is_long;
//#else
  let is_similar = was_reusable && sums[0] >= params.similarity * sqrt(sums[1] * sums[2]);
  let is_due = is_long && (slot + 1u == CAPACITY || !is_similar);
//#endif
  if (is_due) {
    for (var unit = invocation; unit < HEADS * UNITS_PER_HEAD; unit += WORKGROUP) {
      let u = unit % UNITS_PER_HEAD;
      let quads = quads_of(u);
      let of_query = unit / UNITS_PER_HEAD * HEAD_DIM_VEC4S + quads;
      let at = own_asked + of_query;
      asked[QUERY_VEC4S + at.x] = asked[at.x];
      asked[QUERY_VEC4S + at.y] = asked[at.y];
//#if own
      let to = own_query + of_query;
      let plain = turn(Quads(queries[to.x], queries[to.y]), turned_back(load_turning(u, quads, slot)));
      let turned = turn(plain, load_turning(u, quads, FILLED - 1u));
      queries[to.x] = turned.a;
      queries[to.y] = turned.b;
//#endif
    }
  }
  if (invocation == 0u) {
    selections[layer].is_due = u32(is_due);
    selections[layer].slot = slot;
//#if own
    selections[layer].is_reusable = 0u;
    pass_working[layer].position = select(slot, FILLED - 1u, is_due);
    pass_working[layer].rows = 1u;
//#else
    selections[layer].is_reusable = u32(is_long);
//#endif
    working[layer].position = select(slot + 1u, FILLED, is_due);
  }
}
