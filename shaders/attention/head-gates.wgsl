// Gates of each token's query heads: Mixture-of-Head attention (arXiv 2410.11842, section 3.2). The router reads the normalized
// input of the attention block; its rows are the stage's two, then one a shared head, then one a routed head. A head's gate is its
// stage's weight times its softmax; of the routed heads the best ACTIVE are on, the others get 0. Scaled so that a router without
// preferences gives 1 to every head that is on. LANES invocations share a token.
//#import lib/state
//#import lib/dot-group
//#import quant/{quant}
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}

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
  sums = reduce_add(sums, lane, subgroup_size);
  if (row >= state.rows || lane > 0u) {
    return;
  }
  let rms = inverseSqrt(sums[ROUTER_ROWS] / f32(params.columns) + params.epsilon);
  // 2 · softmax of two logits.
  let shared_weight = 2.0 / (1.0 + exp((sums[1] - sums[0]) * rms));
  let routed_weight = 2.0 - shared_weight;

  var largest = sums[2];
  for (var h = 1u; h < SHARED; h++) {
    largest = max(largest, sums[2u + h]);
  }
  var total = 0.0;
  for (var h = 0u; h < SHARED; h++) {
    sums[2u + h] = exp((sums[2u + h] - largest) * rms);
    total += sums[2u + h];
  }
  let base = row * HEADS;
  for (var h = 0u; h < SHARED; h++) {
    gates[base + h] = shared_weight * f32(SHARED) * sums[2u + h] / total;
  }

  // The best ACTIVE of the routed heads; of equal ones the first. Their softmax is over themselves: the others cancel out.
  var is_on: array<bool, ROUTED>;
  for (var n = 0u; n < ACTIVE; n++) {
    var best = ROUTED;
    for (var h = 0u; h < ROUTED; h++) {
      if (!is_on[h] && (best == ROUTED || sums[2u + SHARED + h] > sums[2u + SHARED + best])) {
        best = h;
      }
    }
    is_on[best] = true;
    if (n == 0u) {
      largest = sums[2u + SHARED + best];
    }
  }
  total = 0.0;
  for (var h = 0u; h < ROUTED; h++) {
    let at = 2u + SHARED + h;
    sums[at] = select(0.0, exp((sums[at] - largest) * rms), is_on[h]);
    total += sums[at];
  }
  for (var h = 0u; h < ROUTED; h++) {
    gates[base + SHARED + h] = routed_weight * f32(ACTIVE) * sums[2u + SHARED + h] / total;
  }
}
