enable subgroups;
const WORKGROUP: u32 = 64u;
const LANES: u32 = 32u;
const ROWS: u32 = 4u;
const SUMS: u32 = 8u;
struct Params {
  rows: u32,
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  y_offset: u32,
  epsilon: f32,
}
const params = Params(20u, 64u, 2u, 16u, 0u, 0f);
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// Group of 32: eight vec4 as they are.
fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let at = row_base + group * 8u;
  return array<vec4<f32>, 8>(
    bitcast<vec4<f32>>(weights[at]),
    bitcast<vec4<f32>>(weights[at + 1u]),
    bitcast<vec4<f32>>(weights[at + 2u]),
    bitcast<vec4<f32>>(weights[at + 3u]),
    bitcast<vec4<f32>>(weights[at + 4u]),
    bitcast<vec4<f32>>(weights[at + 5u]),
    bitcast<vec4<f32>>(weights[at + 6u]),
    bitcast<vec4<f32>>(weights[at + 7u]),
  );
}
fn activation(x: f32) -> f32 {
  let inner = 0.7978845608028654 * x * (1.0 + 0.044715 * x * x);
  // tanh overflows in some drivers beyond ±40; it is ±1 long before.
  return 0.5 * x * (1.0 + tanh(clamp(inner, -10.0, 10.0)));
}
// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    for (var i = 0u; i < SUMS; i++) {
      sums[i] += subgroupShuffleXor(sums[i], step);
    }
  }
  return sums;
}
// y[row] = Σ_k weights[row, k] · x[k], for one token. LANES invocations share a row; each takes every LANES-th
// group of 32 weights, for ROWS rows at once, so that x is read once for all of them.
//
// norm:     x is RMS-normalized on the way: the factor 1/rms is the same for all k, so it is applied to the sum
//           and the sum of squares is gathered in the same loop.
// gated:    rows `row` (gate) and `row + rows` (up) give activation(gate) · up.
// residual: adds to y instead of writing it.
// last_row: x is the last row of the pass.

alias Sums = array<f32, SUMS>;

fn load_x(at: u32) -> Group {
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}


// First word of a weight row; rows past the end read the last one and are not written.
fn row_base(row: u32, last: u32) -> u32 {
  return min(row, last) * params.row_vec4s;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_size) subgroup_size: u32,
) {
  let lane = invocation % LANES;
  let first_row = (linear_workgroup(workgroup, workgroups) * (WORKGROUP / LANES) + invocation / LANES) * ROWS;
  let groups = params.groups;
  let padded_columns = groups * 32u;
  var x_base = 0u;

  var sums: Sums;
  for (var group = lane; group < groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
    for (var r = 0u; r < ROWS; r++) {
      let gate = load_group(row_base(first_row + r, params.rows - 1u), group, padded_columns);
      sums[r] += dot_group(gate, x_group);
      let up_row = min(first_row + r, params.rows - 1u) + params.rows;
      let up = load_group(up_row * params.row_vec4s, group, padded_columns);
      sums[ROWS + r] += dot_group(up, x_group);
    }
  }
  sums = reduce_add(sums, lane, subgroup_size);

  // The lanes of a row share the writing.
  for (var r = lane; r < ROWS; r += LANES) {
    let row = first_row + r;
    if (row >= params.rows) {
      continue;
    }
    var value = sums[r];
    var up = sums[ROWS + r];
    value = activation(value) * up;
    y[params.y_offset + row] = value;
  }
}
