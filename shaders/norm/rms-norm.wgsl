// y[row] = x[row] / √(mean(x[row]²) + ε) · weight (Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4).
// LANES invocations share a row. residual: adds to y instead of writing it.
//#import lib/state
//#import lib/stored-{y}
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}

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
//#if residual
    y[x_base + i] = pack_stored(unpack_stored(y[x_base + i]) + value);
//#else
    y[x_base + i] = pack_stored(value);
//#endif
  }
}
