// y[row] = weights[token of row] · scale, decoded from its storage format. An invocation makes a group of 32.
// part: the matrix begins with token `first_token`, and rows of tokens that are not in it are left as they are.
//#import lib/state
//#import quant/{quant}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let group = id.x;
  let row = id.z;
  if (group >= params.groups || row >= state.rows) {
    return;
  }
//#if part
  // Tokens before the part wrap to large numbers.
  let token = state.tokens[row] - params.first_token;
  if (token >= params.vocabulary) {
    return;
  }
//#else
  let token = min(state.tokens[row], params.vocabulary - 1u);
//#endif
  let values = decode(load_raw(token * params.row_vec4s, group, params.groups * 32u));
  let at = (row * params.groups + group) * 8u;
  for (var i = 0u; i < 8u; i++) {
    y[at + i] = values[i] * params.scale;
  }
}
