// Gates of each token's query heads: Mixture-of-Head attention (arXiv 2410.11842, section 3.2). The router reads the normalized
// input of the attention block; its rows are the stage's two, then one a shared head, then one a routed head. A head's gate is its
// stage's weight times its softmax; of the routed heads the best ACTIVE are on, the others get 0. Scaled so that a router without
// preferences gives 1 to every head that is on.
// by_row: a workgroup makes the gates of a token, LANES invocations of it ROWS_EACH rows of the router and an invocation a head; else LANES
// invocations share a token.
//#import lib/state
//#import lib/dot-group
//#import quant/{quant}
//#if !by_row
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#endif

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

//#if by_row
var<workgroup> logits: array<f32, WORKGROUP / LANES * ROWS_EACH>;
// Powers of the heads that are on.
var<workgroup> powers: array<f32, HEADS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let lane = invocation % LANES;
  let first = invocation / LANES * ROWS_EACH;
  let x_base = workgroup.x * params.groups * 8u;
//#repeat R ROWS_EACH
  let row_R = min(first + R, ROUTER_ROWS - 1u) * params.row_vec4s;
  var sum_R = 0.0;
//#endrepeat
  var square_sum = 0.0;
  for (var group = lane; group < params.groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
//#repeat R ROWS_EACH
    sum_R += dot_raw(load_raw(row_R, group, params.groups * 32u), x_group);
//#endrepeat
  }
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    square_sum += subgroupShuffleXor(square_sum, step);
//#repeat R ROWS_EACH
    sum_R += subgroupShuffleXor(sum_R, step);
//#endrepeat
  }
  if (lane == 0u) {
    let rms = inverseSqrt(square_sum / f32(params.columns) + params.epsilon);
//#repeat R ROWS_EACH
    logits[first + R] = sum_R * rms;
//#endrepeat
  }
  workgroupBarrier();

  // Of the routed heads the best ACTIVE are on, of equal ones the first.
  let is_routed = invocation >= SHARED;
  let kind = select(vec2<u32>(0u, SHARED), vec2<u32>(SHARED, HEADS), is_routed);
  if (invocation < HEADS) {
    let own = logits[2u + invocation];
    var largest = own;
    var better = 0u;
    for (var other = kind.x; other < kind.y; other++) {
      let its = logits[2u + other];
      largest = max(largest, its);
      better += u32(its > own || (its == own && other < invocation));
    }
    powers[invocation] = select(0.0, exp(own - largest), !is_routed || better < ACTIVE);
  }
  workgroupBarrier();
  if (invocation < HEADS && workgroup.x < state.rows) {
    var total = 0.0;
    for (var other = kind.x; other < kind.y; other++) {
      total += powers[other];
    }
    let weights = stage_weights(logits[1] - logits[0]);
    let weight = select(weights.x * f32(SHARED), weights.y * f32(ACTIVE), is_routed);
    gates[workgroup.x * HEADS + invocation] = powers[invocation] * weight / total;
  }
}
//#else
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
//#repeat R ROUTER_ROWS
  var sum_R = 0.0;
//#endrepeat
  var square_sum = 0.0;
  for (var group = lane; group < params.groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
//#repeat R ROUTER_ROWS
    sum_R += dot_raw(load_raw(R * params.row_vec4s, group, params.groups * 32u), x_group);
//#endrepeat
  }
  var sums: Sums;
//#repeat R ROUTER_ROWS
  sums[R] = sum_R;
//#endrepeat
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
//#endif
