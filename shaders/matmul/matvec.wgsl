// y[row] = Σ_k weights[row, k] · x[k], for one token. LANES invocations share a row; each takes every LANES-th
// group of 32 weights, for ROWS rows at once, so that x is read once for all of them.
//
// norm:     x is RMS-normalized on the way: the factor 1/rms is the same for all k, so it is applied to the sum
//           and the sum of squares is gathered in the same loop.
// gated:    rows `row` (gate) and `row + rows` (up) give activation(gate) · up.
// residual: adds to y instead of writing it.
// last_row: x is the last row of the pass.
//#import lib/grid
//#import lib/dot-group
//#import quant/{quant}
//#if gated
//#import lib/activation-{activation}
//#endif
//#if last_row
//#import lib/state
//#endif

alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}

fn load_x(at: u32) -> Group {
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
}

//#if norm
fn load_norm(at: u32) -> Group {
  return Group(
    norm_weight[at], norm_weight[at + 1u], norm_weight[at + 2u], norm_weight[at + 3u],
    norm_weight[at + 4u], norm_weight[at + 5u], norm_weight[at + 6u], norm_weight[at + 7u],
  );
}

fn multiply_group(a: Group, b: Group) -> Group {
  return Group(a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3], a[4] * b[4], a[5] * b[5], a[6] * b[6], a[7] * b[7]);
}
//#endif

// First word of a weight row; rows past the end read the last one and are not written.
fn row_base(row: u32, last: u32) -> u32 {
  return min(row, last) * params.row_vec4s;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let lane = invocation % LANES;
  let first_row = (linear_workgroup(workgroup, workgroups) * (WORKGROUP / LANES) + invocation / LANES) * ROWS;
  let groups = params.groups;
  let padded_columns = groups * 32u;
  var x_base = 0u;
//#if last_row
  x_base = (state.rows - 1u) * groups * 8u;
//#endif

  var sums: Sums;
  for (var group = lane; group < groups; group += LANES) {
    var x_group = load_x(x_base + group * 8u);
//#if norm
    sums[SUMS - 1u] += dot_group(x_group, x_group);
    x_group = multiply_group(x_group, load_norm(group * 8u));
//#endif
    for (var r = 0u; r < ROWS; r++) {
//#if gated
      let gate = load_group(row_base(first_row + r, params.rows - 1u), group, padded_columns);
      sums[r] += dot_group(gate, x_group);
      let up_row = min(first_row + r, params.rows - 1u) + params.rows;
      let up = load_group(up_row * params.row_vec4s, group, padded_columns);
      sums[ROWS + r] += dot_group(up, x_group);
//#else
      let row = load_group(row_base(first_row + r, params.rows - 1u), group, padded_columns);
      sums[r] += dot_group(row, x_group);
//#endif
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
//#if norm
    let rms = inverseSqrt(sums[SUMS - 1u] / f32(params.columns) + params.epsilon);
    value *= rms;
//#endif
//#if bias
    value += bias[row];
//#endif
//#if gated
    var up = sums[ROWS + r];
//#if norm
    up *= rms;
//#endif
    value = activation(value) * up;
//#endif
//#if residual
    value += y[params.y_offset + row];
//#endif
    y[params.y_offset + row] = value;
  }
}
