// Causal attention by three passes over a stored matrix of scores [heads, tokens, tokens], as the formula reads: what FlashAttention-2 saves.
//   scores = scale · Q Kᵀ;  each row of scores = softmax(row);  out = scores V
// queries and out [tokens, heads, head_dim], keys and values [heads, tokens, head_dim], all but scores in halves, four a load.

fn four(halves: vec2<u32>) -> vec4<f32> {
  return vec4(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

//#if scores
// An invocation a score, 16 × 16 of them a workgroup.
@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let key = id.x;
  let token = id.y;
  let head = id.z;
  if (token >= params.tokens || key > token) {
    return;
  }
  let query_base = (token * params.heads + head) * params.head_vec4s;
  let key_base = (head * params.tokens + key) * params.head_vec4s;
  var score = 0.0;
  for (var i = 0u; i < params.head_vec4s; i += 1u) {
    score += dot(four(queries[query_base + i]), four(keys[key_base + i]));
  }
  scores[(head * params.tokens + token) * params.tokens + key] = params.scale * score;
}
//#endif

//#if softmax
alias Sums = array<f32, SUMS>;
//#import lib/max-workgroup
//#import lib/reduce-workgroup

// A workgroup a row.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) row: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let base = (row.y * params.tokens + row.x) * params.tokens;
  let count = row.x + 1u;
  var largest = Sums(-1.0e30);
  for (var key = lane; key < count; key += WORKGROUP) {
    largest[0] = max(largest[0], scores[base + key]);
  }
  largest = reduce_max(largest, lane, 1u);
  var total: Sums;
  for (var key = lane; key < count; key += WORKGROUP) {
    let weight = exp(scores[base + key] - largest[0]);
    scores[base + key] = weight;
    total[0] += weight;
  }
  total = reduce_add(total, lane, 1u);
  for (var key = lane; key < count; key += WORKGROUP) {
    scores[base + key] /= total[0];
  }
}
//#endif

//#if values
// An invocation four components of an output, neighbours side by side.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let component = id.x % params.head_vec4s;
  let token = id.x / params.head_vec4s;
  let head = id.y;
  if (token >= params.tokens) {
    return;
  }
  let row = (head * params.tokens + token) * params.tokens;
  let value_base = head * params.tokens * params.head_vec4s + component;
  var sum = vec4<f32>();
  for (var key = 0u; key <= token; key += 1u) {
    sum += scores[row + key] * four(values[value_base + key * params.head_vec4s]);
  }
  out[(token * params.heads + head) * params.head_vec4s + component] =
    vec2(pack2x16float(sum.xy), pack2x16float(sum.zw));
}
//#endif
