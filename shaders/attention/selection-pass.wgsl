// First step of TokenSelect for the tokens of a pass: they ask with the mean of their queries, turned to position LOCAL (keys are cached before
// rotation). Says where the pass stands in the working set, and the step behind it, and turns the queries to their positions there. A workgroup takes
// a head, a dispatch one layer.
//#import lib/state
//#import lib/selection
//#import lib/turn-quads

// Rows whose sums an invocation makes are STREAMS apart.
const STREAMS: u32 = WORKGROUP / UNITS_PER_HEAD;

var<workgroup> sums: array<vec4<f32>, 2u * STREAMS * UNITS_PER_HEAD>;

fn place_pass(end: u32, is_long: bool) {
  pass_working[0].position = end - state.rows;
  pass_working[0].rows = state.rows;
  working[0].position = end;
  working[0].rows = 1u;
  selections[0].is_due = u32(is_long);
  // A pass selects for all its tokens: none of them may go on with it.
  selections[0].is_reusable = 0u;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let tokens = state.position + state.rows;
  let is_long = tokens >= CAPACITY;
  // Slots that are taken.
  let end = select(tokens, FILLED, is_long);
  if (head == 0u && invocation == 0u) {
    place_pass(end, is_long);
  }
  let u = invocation % UNITS_PER_HEAD;
  let quads = quads_of(u);
  let stream = invocation / UNITS_PER_HEAD;
  if (stream < STREAMS) {
    var sum = Quads(vec4<f32>(), vec4<f32>());
    for (var row = stream; row < state.rows; row += STREAMS) {
      let at = (row * params.heads + head) * HEAD_DIM_VEC4S + quads;
      let query = Quads(queries[at.x], queries[at.y]);
      sum.a += query.a;
      sum.b += query.b;
      let turned = turn(query, load_turning(u, quads, end - state.rows + row));
      queries[at.x] = turned.a;
      queries[at.y] = turned.b;
    }
    sums[2u * invocation] = sum.a;
    sums[2u * invocation + 1u] = sum.b;
  }
  workgroupBarrier();
  if (stream > 0u || !is_long) {
    return;
  }
  var sum = Quads(vec4<f32>(), vec4<f32>());
  for (var s = 0u; s < STREAMS; s++) {
    let at = 2u * (s * UNITS_PER_HEAD + u);
    sum.a += sums[at];
    sum.b += sums[at + 1u];
  }
  let turned = turn(sum, load_turning(u, quads, LOCAL));
  let to = head * HEAD_DIM_VEC4S + quads;
  asked[to.x] = turned.a / f32(state.rows);
  asked[to.y] = turned.b / f32(state.rows);
}
