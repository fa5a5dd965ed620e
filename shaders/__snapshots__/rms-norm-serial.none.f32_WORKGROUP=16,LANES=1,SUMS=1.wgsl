const WORKGROUP: u32 = 16u;
const LANES: u32 = 1u;
const SUMS: u32 = 1u;
struct Params {
  columns: u32,
  stride_vec4s: u32,
  epsilon: f32,
}
const params = Params(32u, 8u, 0.000009999999747378752f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Each sum belongs to one invocation: nothing to add up.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  return values;
}
// y[row] = x[row] / √(mean(x[row]²) + ε) · weight (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4).
// LANES invocations share a row. residual: adds to y instead of writing it.
alias Sums = array<f32, SUMS>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let subgroup_size = 1u;
  let lane = invocation % LANES;
  let row = workgroup.x * (WORKGROUP / LANES) + invocation / LANES;
  // Rows past the end repeat the last one up to the reduction, and write nothing.
  let x_base = min(row, state.rows - 1u) * params.stride_vec4s;
  var sums: Sums;
  for (var i = lane; i < params.stride_vec4s; i += LANES) {
    let value = x[x_base + i];
    sums[0] += dot(value, value);
  }
  sums = reduce_add(sums, lane, subgroup_size);
  if (row >= state.rows) {
    return;
  }
  let rms = inverseSqrt(sums[0] / f32(params.columns) + params.epsilon);
  for (var i = lane; i < params.stride_vec4s; i += LANES) {
    let value = x[x_base + i] * rms * norm_weight[i];
    y[x_base + i] = pack_stored(value);
  }
}
