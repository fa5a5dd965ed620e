enable subgroups;
const WORKGROUP: u32 = 128u;
const LANES: u32 = 128u;
const SUMS: u32 = 1u;
struct Params {
  columns: u32,
  stride_vec4s: u32,
  epsilon: f32,
}
const params = Params(172u, 48u, 9.999999974752427e-7f);
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// Sums over a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP / 4u>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums: Sums;
  for (var i = 0u; i < SUMS; i++) {
    sums[i] = subgroupAdd(values[i]);
  }
  // The previous result may still be read.
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    reduce_scratch[lane / subgroup_size] = sums;
  }
  workgroupBarrier();
  sums = reduce_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    for (var i = 0u; i < SUMS; i++) {
      sums[i] += reduce_scratch[s][i];
    }
  }
  return sums;
}
// y[row] = x[row] / √(mean(x[row]²) + ε) · weight (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4).
// LANES invocations share a row. residual: adds to y instead of writing it.
alias Sums = array<f32, SUMS>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_size) subgroup_size: u32,
) {
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
