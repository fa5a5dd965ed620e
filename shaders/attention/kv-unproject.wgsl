// out = gate · (mean + Σ_j attended_j · basis vector j): what attention made of coefficients of values (see kv-project) becomes the output
// of a head again. Weights of a softmax sum to one, so the mean that the values lost is added once. An invocation makes four
// components of one head. gated: times the head's gate.
//#import lib/state
//#import lib/basis
//#import lib/head-output

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads || row >= state.rows) {
    return;
  }
  let kv_head = head / params.group_size;
  let first = (row * params.heads + head) * HEAD_DIM_VEC4S;
  var gate = 1.0;
//#if gated
  gate = gates[row * params.heads + head];
  if (gate == 0.0) {
    out[first + quad] = pack_output(vec4<f32>());
    return;
  }
//#endif
  let value_basis = params.kv_heads + kv_head;
  var sum = mean[kv_head * HEAD_DIM_VEC4S + quad];
  for (var j = 0u; j < head_widths[kv_head].w / 4u; j++) {
    sum += unprojected(value_basis, narrow[first + j], j, quad);
  }
  out[first + quad] = pack_output(sum * gate);
}
