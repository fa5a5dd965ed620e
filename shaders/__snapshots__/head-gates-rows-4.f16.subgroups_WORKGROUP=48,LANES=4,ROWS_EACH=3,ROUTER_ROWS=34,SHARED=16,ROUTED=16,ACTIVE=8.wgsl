enable subgroups;
const WORKGROUP: u32 = 48u;
const LANES: u32 = 4u;
const ROWS_EACH: u32 = 3u;
const ROUTER_ROWS: u32 = 34u;
const SHARED: u32 = 16u;
const ROUTED: u32 = 16u;
const ACTIVE: u32 = 8u;
struct Params {
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  epsilon: f32,
}
const params = Params(320u, 10u, 40u, 0.000009999999747378752f);
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gates: array<f32>;
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// A group of 32 of x; `at` is the first of its vectors.

fn load_x(at: u32) -> Group {
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}
// x times the weights of its norm, a group of 32 at a time; `at` is the first of its vectors.

fn multiply_by_norm(a: Group, at: u32) -> Group {
  return Group(
    a[0] * norm_weight[at], a[1] * norm_weight[at + 1u], a[2] * norm_weight[at + 2u], a[3] * norm_weight[at + 3u],
    a[4] * norm_weight[at + 4u], a[5] * norm_weight[at + 5u], a[6] * norm_weight[at + 6u], a[7] * norm_weight[at + 7u],
  );
}
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// Group of 32: four vec4 of two half-precision numbers a word.

fn halves(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 4u;
  return RawGroup(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    halves(raw.a.x, raw.a.y), halves(raw.a.z, raw.a.w), halves(raw.b.x, raw.b.y), halves(raw.b.z, raw.b.w),
    halves(raw.c.x, raw.c.y), halves(raw.c.z, raw.c.w), halves(raw.d.x, raw.d.y), halves(raw.d.z, raw.d.w),
  );
}
// Gates of each token's query heads: Mixture-of-Head attention (arXiv 2410.11842, section 3.2). The router reads the normalized
// input of the attention block; its rows are the stage's two, then one a shared head, then one a routed head. A head's gate is its
// stage's weight times its softmax; of the routed heads the best ACTIVE are on, the others get 0. Scaled so that a router without
// preferences gives 1 to every head that is on.
// A workgroup makes the gates of a token: LANES invocations take ROWS_EACH rows of the router, then each some heads.

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
  let row_0 = min(first + 0u, ROUTER_ROWS - 1u) * params.row_vec4s;
  var sum_0 = 0.0;
  let row_1 = min(first + 1u, ROUTER_ROWS - 1u) * params.row_vec4s;
  var sum_1 = 0.0;
  let row_2 = min(first + 2u, ROUTER_ROWS - 1u) * params.row_vec4s;
  var sum_2 = 0.0;
  var square_sum = 0.0;
  for (var group = invocation % LANES; group < params.groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
    sum_0 += dot_raw(load_raw(row_0, group, params.groups * 32u), x_group);
    sum_1 += dot_raw(load_raw(row_1, group, params.groups * 32u), x_group);
    sum_2 += dot_raw(load_raw(row_2, group, params.groups * 32u), x_group);
  }
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    square_sum += subgroupShuffleXor(square_sum, step);
    sum_0 += subgroupShuffleXor(sum_0, step);
    sum_1 += subgroupShuffleXor(sum_1, step);
    sum_2 += subgroupShuffleXor(sum_2, step);
  }
  if (invocation % LANES == 0u) {
    let rms = inverseSqrt(square_sum / f32(params.columns) + params.epsilon);
    logits[first + 0u] = sum_0 * rms;
    logits[first + 1u] = sum_1 * rms;
    logits[first + 2u] = sum_2 * rms;
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
