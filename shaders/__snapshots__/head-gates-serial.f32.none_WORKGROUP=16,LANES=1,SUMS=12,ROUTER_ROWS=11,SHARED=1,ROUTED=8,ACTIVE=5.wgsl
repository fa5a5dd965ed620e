const WORKGROUP: u32 = 16u;
const LANES: u32 = 1u;
const SUMS: u32 = 12u;
const ROUTER_ROWS: u32 = 11u;
const SHARED: u32 = 1u;
const ROUTED: u32 = 8u;
const ACTIVE: u32 = 5u;
struct Params {
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  epsilon: f32,
}
const params = Params(172u, 6u, 48u, 0.000009999999747378752f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> gates: array<f32>;
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
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// Group of 32: eight vec4 as they are.

alias RawGroup = array<vec4<u32>, 8>;

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 8u;
  return RawGroup(
    weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u],
    weights[at + 4u], weights[at + 5u], weights[at + 6u], weights[at + 7u],
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    bitcast<vec4<f32>>(raw[0]), bitcast<vec4<f32>>(raw[1]), bitcast<vec4<f32>>(raw[2]), bitcast<vec4<f32>>(raw[3]),
    bitcast<vec4<f32>>(raw[4]), bitcast<vec4<f32>>(raw[5]), bitcast<vec4<f32>>(raw[6]), bitcast<vec4<f32>>(raw[7]),
  );
}
// Each sum belongs to one invocation: nothing to add up.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  return values;
}
// Gates of each token's query heads: Mixture-of-Head attention (arXiv 2410.11842, section 3.2). The router reads the normalized
// input of the attention block; its rows are the stage's two, then one a shared head, then one a routed head. A head's gate is its
// stage's weight times its softmax; of the routed heads the best ACTIVE are on, the others get 0. Scaled so that a router without
// preferences gives 1 to every head that is on.
// by_row: a workgroup makes the gates of a token, LANES invocations of it ROWS_EACH rows of the router and an invocation a head; else LANES
// invocations share a token.
alias Sums = array<f32, SUMS>;

const HEADS: u32 = SHARED + ROUTED;

fn load_x(at: u32) -> Group {
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}

fn multiply_by_norm(a: Group, at: u32) -> Group {
  return Group(
    a[0] * norm_weight[at], a[1] * norm_weight[at + 1u], a[2] * norm_weight[at + 2u], a[3] * norm_weight[at + 3u],
    a[4] * norm_weight[at + 4u], a[5] * norm_weight[at + 5u], a[6] * norm_weight[at + 6u], a[7] * norm_weight[at + 7u],
  );
}

// The stage's weights of shared and of routed heads, times two, from the difference of its logits.
fn stage_weights(more: f32) -> vec2<f32> {
  let shared_weight = 2.0 / (1.0 + exp(more));
  return vec2<f32>(shared_weight, 2.0 - shared_weight);
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let lane = invocation % LANES;
  let row = workgroup.x * (WORKGROUP / LANES) + invocation / LANES;
  // Rows past the end repeat the last one up to the reduction, and write nothing.
  let x_base = min(row, state.rows - 1u) * params.groups * 8u;
  // Sums are variables, so that they stay in registers and the rows' weights are on their way together.
  var sum_0 = 0.0;
  var sum_1 = 0.0;
  var sum_2 = 0.0;
  var sum_3 = 0.0;
  var sum_4 = 0.0;
  var sum_5 = 0.0;
  var sum_6 = 0.0;
  var sum_7 = 0.0;
  var sum_8 = 0.0;
  var sum_9 = 0.0;
  var sum_10 = 0.0;
  var square_sum = 0.0;
  for (var group = lane; group < params.groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
    sum_0 += dot_raw(load_raw(0u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_1 += dot_raw(load_raw(1u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_2 += dot_raw(load_raw(2u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_3 += dot_raw(load_raw(3u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_4 += dot_raw(load_raw(4u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_5 += dot_raw(load_raw(5u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_6 += dot_raw(load_raw(6u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_7 += dot_raw(load_raw(7u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_8 += dot_raw(load_raw(8u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_9 += dot_raw(load_raw(9u * params.row_vec4s, group, params.groups * 32u), x_group);
    sum_10 += dot_raw(load_raw(10u * params.row_vec4s, group, params.groups * 32u), x_group);
  }
  var sums: Sums;
  sums[0u] = sum_0;
  sums[1u] = sum_1;
  sums[2u] = sum_2;
  sums[3u] = sum_3;
  sums[4u] = sum_4;
  sums[5u] = sum_5;
  sums[6u] = sum_6;
  sums[7u] = sum_7;
  sums[8u] = sum_8;
  sums[9u] = sum_9;
  sums[10u] = sum_10;
  sums[ROUTER_ROWS] = square_sum;
  sums = reduce_add(sums, lane, 1u);
  let rms = inverseSqrt(sums[ROUTER_ROWS] / f32(params.columns) + params.epsilon);
  let weights = stage_weights((sums[1] - sums[0]) * rms);

  // Powers of the heads that are on, each among its own kind: of the routed ones the best ACTIVE, of equal ones the first.
  let base = row * HEADS;
  let first = select(lane, HEADS, row >= state.rows);
  var totals: Sums;
  for (var h = first; h < HEADS; h += LANES) {
    let is_routed = h >= SHARED;
    let own = sums[2u + h];
    var largest = own;
    var better = 0u;
    for (var other = select(0u, SHARED, is_routed); other < select(SHARED, HEADS, is_routed); other++) {
      let its = sums[2u + other];
      largest = max(largest, its);
      better += u32(its > own || (its == own && other < h));
    }
    let power = select(0.0, exp((own - largest) * rms), !is_routed || better < ACTIVE);
    totals[u32(is_routed)] += power;
    gates[base + h] = power;
  }
  totals = reduce_add(totals, lane, 1u);
  for (var h = first; h < HEADS; h += LANES) {
    gates[base + h] *= select(weights.x * f32(SHARED) / totals[0], weights.y * f32(ACTIVE) / totals[1], h >= SHARED);
  }
}
