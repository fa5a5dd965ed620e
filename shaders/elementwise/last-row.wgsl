// y = the last row of x [rows, 4 · quads], in single precision: what is left of a pass once a token is drawn from it.
//#import lib/state
//#import lib/stored-{x}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params.quads) {
    y[id.x] = unpack_stored(x[(state.rows - 1u) * params.quads + id.x]);
  }
}
