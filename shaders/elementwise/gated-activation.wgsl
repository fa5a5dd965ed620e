// y[row, i] = activation(x[row, i]) · x[row, columns + i]: SwiGLU or GeGLU (Shazeer 2020, arXiv 2002.05202).
//#import lib/state
//#import lib/activation-{activation}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let column = id.x;
  let row = id.z;
  if (column >= params.columns || row >= state.rows) {
    return;
  }
  let at = row * params.columns * 2u + column;
  y[row * params.y_stride + column] = activation(x[at]) * x[at + params.columns];
}
