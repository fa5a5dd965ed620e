const WORKGROUP: u32 = 16u;
const GROUP: u32 = 3u;
const SUMS: u32 = 3u;
const STRIPS: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 8u;
const INITIAL: u32 = 4u;
const SELECTED: u32 = 6u;
const LOCAL: u32 = 8u;
struct Params {
  heads: u32,
  context_length: u32,
  rope_dimensions: u32,
  similarity: f32,
}
const params = Params(9u, 220u, 16u, 0.8999999761581421f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> last_query: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> selection: Selection;
@group(0) @binding(5) var<storage, read> k_cache: array<Stored>;
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;
@group(0) @binding(7) var<storage, read_write> scales: Scales;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
// TokenSelect (arXiv 2411.02886): a token attends to the first INITIAL tokens, to SELECTED tokens that its queries ask for, and to the
// last LOCAL ones. They stand side by side in a working set, at positions 0 to CAPACITY - 1. A context that is no longer than that
// is the working set.
const CAPACITY: u32 = INITIAL + SELECTED + LOCAL;

// What is known of a layer from one step to the next.
struct Selection {
  // 1 where the tokens were selected for a single token: the next one may go on with them.
  is_reusable: u32,
  // The first slot of the working set that this pass fills; those before it hold what they should.
  first_slot: u32,
  padding: vec2<u32>,
  // Positions of the selected tokens, ascending.
  tokens: array<u32, SELECTED>,
}

// The scores of a pass, for the kernels behind selection-scores.
struct Scales {
  // 1 where this pass selects anew.
  is_due: u32,
  padding: u32,
  // Of each head and strip of the candidates: the largest score, and the sum of exponentials relative to it.
  strips: array<vec2<f32>>,
}
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  let fine = rope[(position % 256u) * pairs + pair];
  let coarse = rope[(256u + position / 256u) * pairs + pair];
  return vec2<f32>(fine.x * coarse.x - fine.y * coarse.y, fine.y * coarse.x + fine.x * coarse.y);
}
// RoPE (arXiv 2104.09864, section 3.2.2) of a head in units of eight components: two quads that turn with each other. A head has
// HEAD_DIM_VEC4S / 2 of them.

const UNIT_ROWS: u32 = 8u;
const UNITS_PER_HEAD: u32 = HEAD_DIM_VEC4S / 2u;

// The two quads of unit `u`.
fn quads_of(u: u32) -> vec2<u32> {
  return vec2<u32>(2u * u, 2u * u + 1u);
}

// cos and sin of the angles of four neighbouring pairs from `first` on.
fn angles(position: u32, first: u32) -> mat4x2<f32> {
  let pairs = params.rope_dimensions / 2u;
  return mat4x2<f32>(
    rope_angle(position, first, pairs), rope_angle(position, first + 1u, pairs),
    rope_angle(position, first + 2u, pairs), rope_angle(position, first + 3u, pairs),
  );
}

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of what a unit turns by.
struct Turning {
  pairs: mat4x2<f32>,
  turns: bool,
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
    turning.pairs = angles(position, quads.x * 2u);
  }
  return turning;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
  let angle = turning.pairs;
  return Quads(
    vec4<f32>(
      a.x * angle[0].x - a.y * angle[0].y, a.y * angle[0].x + a.x * angle[0].y,
      a.z * angle[1].x - a.w * angle[1].y, a.w * angle[1].x + a.z * angle[1].y,
    ),
    vec4<f32>(
      b.x * angle[2].x - b.y * angle[2].y, b.y * angle[2].x + b.x * angle[2].y,
      b.z * angle[3].x - b.w * angle[3].y, b.w * angle[3].x + b.z * angle[3].y,
    ),
  );
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Sums over a workgroup by a tree in workgroup memory. Every invocation gets the result.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  reduce_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        reduce_scratch[lane][i] += reduce_scratch[lane + step][i];
      }
    }
    workgroupBarrier();
  }
  return reduce_scratch[0];
}
// The largest values over a workgroup by a tree in workgroup memory. Every invocation gets them.
var<workgroup> max_scratch: array<Sums, WORKGROUP>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  max_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        max_scratch[lane][i] = max(max_scratch[lane][i], max_scratch[lane + step][i]);
      }
    }
    workgroupBarrier();
  }
  return max_scratch[0];
}
// First step of TokenSelect in a layer. Does this pass select? A single token whose query is similar to the last one that did goes on with
// its selection (the Selection Cache, arXiv 2411.02886, algorithm 1). If so: q·k of every candidate, the cached tokens behind the first INITIAL
// and before the last LOCAL, for the query heads of a KV head at once. q is the mean of the pass's queries, turned to position LOCAL; keys
// are cached before rotation. A workgroup takes a KV head and one of STRIPS parts of the candidates.
alias Sums = array<f32, SUMS>;

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
) {
  let subgroup_size = 1u;
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
  var largest_0 = -3.0e38;
  var total_0 = 0.0;
  var largest_1 = -3.0e38;
  var total_1 = 0.0;
  var largest_2 = -3.0e38;
  var total_2 = 0.0;
  for (var token = first + invocation; token < strip_end; token += WORKGROUP) {
    let at = (kv_head * params.context_length + token) * HEAD_DIM_VEC4S;
    var score_0 = 0.0;
    var score_1 = 0.0;
    var score_2 = 0.0;
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      let key = unpack_stored(k_cache[at + i]);
      score_0 += dot(query[0u * HEAD_DIM_VEC4S + i], key);
      score_1 += dot(query[1u * HEAD_DIM_VEC4S + i], key);
      score_2 += dot(query[2u * HEAD_DIM_VEC4S + i], key);
    }
    scores[(kv_head * GROUP + 0u) * params.context_length + token] = score_0;
    let new_largest_0 = max(largest_0, score_0);
    total_0 = total_0 * exp(largest_0 - new_largest_0) + exp(score_0 - new_largest_0);
    largest_0 = new_largest_0;
    scores[(kv_head * GROUP + 1u) * params.context_length + token] = score_1;
    let new_largest_1 = max(largest_1, score_1);
    total_1 = total_1 * exp(largest_1 - new_largest_1) + exp(score_1 - new_largest_1);
    largest_1 = new_largest_1;
    scores[(kv_head * GROUP + 2u) * params.context_length + token] = score_2;
    let new_largest_2 = max(largest_2, score_2);
    total_2 = total_2 * exp(largest_2 - new_largest_2) + exp(score_2 - new_largest_2);
    largest_2 = new_largest_2;
  }
  var largest: Sums;
  var totals: Sums;
  largest[0u] = largest_0;
  largest[1u] = largest_1;
  largest[2u] = largest_2;
  largest = reduce_max(largest, invocation, subgroup_size);
  totals[0u] = total_0 * exp(largest_0 - largest[0u]);
  totals[1u] = total_1 * exp(largest_1 - largest[1u]);
  totals[2u] = total_2 * exp(largest_2 - largest[2u]);
  totals = reduce_add(totals, invocation, subgroup_size);
  if (invocation == 0u) {
    scales.strips[(kv_head * GROUP + 0u) * STRIPS + strip] = vec2<f32>(largest[0u], totals[0u]);
    scales.strips[(kv_head * GROUP + 1u) * STRIPS + strip] = vec2<f32>(largest[1u], totals[1u]);
    scales.strips[(kv_head * GROUP + 2u) * STRIPS + strip] = vec2<f32>(largest[2u], totals[2u]);
  }
}
