// Gates of each token's query heads: Mixture-of-Head attention (arXiv 2410.11842, section 3.2). The router reads the normalized
// input of the attention block; its rows are the stage's two, then one a shared head, then one a routed head. A head's gate is its
// stage's weight times its softmax; of the routed heads the best ACTIVE are on, the others get 0. Scaled so that a router without
// preferences gives 1 to every head that is on.
// A workgroup makes the gates of a token: LANES invocations take ROWS_EACH rows of the router, then each some heads.
//#import lib/x-group
//#import lib/norm-group
//#import quant/{quant}

const HEADS: u32 = SHARED + ROUTED;

var<workgroup> logits: array<f32, WORKGROUP / LANES * ROWS_EACH>;
// Powers of the heads that are on.
var<workgroup> powers: array<f32, HEADS>;

// The heads among which a head's weight is a share: shared ones or routed ones.
fn kind_of(head: u32) -> vec2<u32> {
  return select(vec2<u32>(0u, SHARED), vec2<u32>(SHARED, HEADS), head >= SHARED);
}

// Of the routed heads the best ACTIVE are on, of equal ones the first.
fn power_of(head: u32) -> f32 {
  let kind = kind_of(head);
  let own = logits[2u + head];
  var largest = own;
  var better = 0u;
  for (var other = kind.x; other < kind.y; other++) {
    let its = logits[2u + other];
    largest = max(largest, its);
    better += u32(its > own || (its == own && other < head));
  }
  return select(0.0, exp(own - largest), head < SHARED || better < ACTIVE);
}

fn gate_of(head: u32) -> f32 {
  let kind = kind_of(head);
  var total = 0.0;
  for (var other = kind.x; other < kind.y; other++) {
    total += powers[other];
  }
  // 2 · softmax of two logits.
  let shared_weight = 2.0 / (1.0 + exp(logits[1] - logits[0]));
  let weight = select(shared_weight * f32(SHARED), (2.0 - shared_weight) * f32(ACTIVE), head >= SHARED);
  return powers[head] * weight / total;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let first = invocation / LANES * ROWS_EACH;
  let x_base = workgroup.x * params.groups * 8u;
  // Sums are variables, so that they stay in registers and the rows' weights are on their way together.
//#repeat R ROWS_EACH
  let row_R = min(first + R, ROUTER_ROWS - 1u) * params.row_vec4s;
  var sum_R = 0.0;
//#endrepeat
  var square_sum = 0.0;
  for (var group = invocation % LANES; group < params.groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
//#repeat R ROWS_EACH
    sum_R += dot_raw(load_raw(row_R, group, params.groups * 32u), x_group);
//#endrepeat
  }
//#if subgroups
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    square_sum += subgroupShuffleXor(square_sum, step);
//#repeat R ROWS_EACH
    sum_R += subgroupShuffleXor(sum_R, step);
//#endrepeat
  }
//#endif
  if (invocation % LANES == 0u) {
    let rms = inverseSqrt(square_sum / f32(params.columns) + params.epsilon);
//#repeat R ROWS_EACH
    logits[first + R] = sum_R * rms;
//#endrepeat
  }
  workgroupBarrier();
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    powers[head] = power_of(head);
  }
  workgroupBarrier();
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    gates[workgroup.x * HEADS + head] = gate_of(head);
  }
}
