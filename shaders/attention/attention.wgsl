// out[row, head] = softmax(scale · q Kᵀ) V over the cached positions up to the row's own, causal, optionally within a
// sliding window; grouped queries share the keys of their KV head. Online softmax with an unnormalized output and one
// division at the end (FlashAttention-2, arXiv 2307.08691, §3.1); scale · log2(e) is folded into the exponent.
//
// cooperative: a workgroup takes one (row, head). For a block of WORKGROUP positions each invocation makes one score;
//              then each accumulates one vec4 of the output over its share of the block.
// else:        an invocation takes one (row, head): barrier-free, for adapters where barriers are slow.
//#import lib/state
//#import lib/stored-{kv}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

//#if cooperative
var<workgroup> query: array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> probabilities: array<f32, WORKGROUP>;
var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/max-{reduce}

const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let head = workgroup.x;
  let row = workgroup.z;
  let kv_base = head / params.group_size * params.context_length;
  let position = state.position + row;
  let first = first_position(position);
  let quad = lane % HEAD_DIM_VEC4S;
  let part = lane / HEAD_DIM_VEC4S;
  if (lane < HEAD_DIM_VEC4S) {
    query[lane] = queries[(row * params.heads + head) * HEAD_DIM_VEC4S + lane] * params.scale_log2e;
  }
  workgroupBarrier();

  var running_max = -3.0e38;
  var sum = 0.0;
  var output = vec4<f32>();
  for (var block = first; block <= position; block += WORKGROUP) {
    let key = block + lane;
    var score = -3.0e38;
    if (key <= position) {
      score = 0.0;
      let at = (kv_base + key) * HEAD_DIM_VEC4S;
      for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
        score += dot(query[i], unpack_stored(k_cache[at + i]));
      }
    }
    let in_block = min(WORKGROUP, position + 1u - block);
    let new_max = max(running_max, reduce_max(Sums(score), lane, subgroup_size)[0]);
    let rescale = exp2(running_max - new_max);
    let probability = select(0.0, exp2(score - new_max), key <= position);
    probabilities[lane] = probability;
    sum = sum * rescale + probability;
    running_max = new_max;
    output *= rescale;
    workgroupBarrier();
    if (part < PARTS) {
      for (var j = part; j < in_block; j += PARTS) {
        output += probabilities[j] * unpack_stored(v_cache[(kv_base + block + j) * HEAD_DIM_VEC4S + quad]);
      }
    }
    workgroupBarrier();
  }

  partial[lane] = output;
  // Its barriers also make the partial outputs visible.
  let total = reduce_add(Sums(sum), lane, subgroup_size)[0];
  if (part == 0u) {
    for (var p = 1u; p < PARTS; p++) {
      output += partial[p * HEAD_DIM_VEC4S + quad];
    }
    out[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = output / total;
  }
}
//#else
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x;
  let row = id.z;
  if (head >= params.heads || row >= state.rows) {
    return;
  }
  let kv_base = head / params.group_size * params.context_length;
  let at = (row * params.heads + head) * HEAD_DIM_VEC4S;
  let position = state.position + row;
  var query: array<vec4<f32>, HEAD_DIM_VEC4S>;
  var output: array<vec4<f32>, HEAD_DIM_VEC4S>;
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    query[i] = queries[at + i] * params.scale_log2e;
  }
  var running_max = -3.0e38;
  var sum = 0.0;
  for (var key = first_position(position); key <= position; key++) {
    let base = (kv_base + key) * HEAD_DIM_VEC4S;
    var score = 0.0;
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      score += dot(query[i], unpack_stored(k_cache[base + i]));
    }
    // Rescaling is needed only where the maximum moved.
    if (score > running_max) {
      let rescale = exp2(running_max - score);
      sum *= rescale;
      for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
        output[i] *= rescale;
      }
      running_max = score;
    }
    let probability = exp2(score - running_max);
    sum += probability;
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      output[i] += probability * unpack_stored(v_cache[base + i]);
    }
  }
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    out[at + i] = output[i] / sum;
  }
}
//#endif
