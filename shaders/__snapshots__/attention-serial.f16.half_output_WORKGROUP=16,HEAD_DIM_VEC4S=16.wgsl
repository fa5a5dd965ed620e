const WORKGROUP: u32 = 16u;
const HEAD_DIM_VEC4S: u32 = 16u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
}
const params = Params(9u, 3u, 133u, 0u, 0.1803368777036667f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  padding: u32,
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
// out[row, head] = softmax(scale · q Kᵀ) V over the cached positions up to the row's own, causal, optionally within a
// sliding window; grouped queries share the keys of their KV head. Online softmax with an unnormalized output and one
// division at the end (FlashAttention-2, arXiv 2307.08691, §3.1); scale · log2(e) is folded into the exponent.
//
// cooperative: a workgroup takes one (row, head). For a block of WORKGROUP positions each invocation makes one score;
//              then each accumulates one vec4 of the output over its share of the block.
// stream:      a workgroup takes one (row, head), sets of invocations take a key each: lib/stream-attention.
// matrix:      subgroups multiply fragments: lib/matrix-attention.
// else:        an invocation takes one (row, head): barrier-free, for adapters where barriers are slow.
// gated:       a head's output is multiplied with its gate; one whose gate is 0 is not computed (matrix: computed, since other rows of
//              its tile may need it).

alias Output = vec2<u32>;

fn pack_output(value: vec4<f32>) -> Output {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}

fn gate_of(row: u32, head: u32) -> f32 {
  return 1.0;
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

alias Cached = Stored;
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
    out[at + i] = pack_output(output[i] * (gate_of(row, head) / sum));
  }
}
