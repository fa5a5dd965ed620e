// y[row, i] = activation(x[row, i]) · x[row, columns + i]: SwiGLU or GeGLU (Shazeer 2020, arXiv 2002.05202). An invocation makes four
// neighbouring ones.
//#import lib/state
//#import lib/stored-{y}
//#import lib/activation-{activation}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let quad = id.x;
  let row = id.z;
  if (quad >= params.quads || row >= state.rows) {
    return;
  }
  let at = row * params.quads * 2u + quad;
  let gate = x[at];
  let activated = vec4<f32>(activation(gate.x), activation(gate.y), activation(gate.z), activation(gate.w));
  y[row * params.y_stride_quads + quad] = pack_stored(activated * x[at + params.quads]);
}
