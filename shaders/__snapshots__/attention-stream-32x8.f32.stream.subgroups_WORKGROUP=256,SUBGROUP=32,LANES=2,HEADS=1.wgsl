enable subgroups;
const WORKGROUP: u32 = 256u;
const SUBGROUP: u32 = 32u;
const LANES: u32 = 2u;
const HEADS: u32 = 1u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
}
const params = Params(4u, 2u, 4u, 0u, 0.3606737554073334f);
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.

const SETS: u32 = WORKGROUP / LANES;
const PARTIALS: u32 = WORKGROUP / SUBGROUP;
const HEAD_VEC4S: u32 = LANES * 2u;
// Keys that a set has under way at once.
const UNROLL: u32 = 4u;

struct Eight {
  a: vec4<f32>,
  b: vec4<f32>,
}

struct Softmax {
  largest: array<f32, HEADS>,
  total: array<f32, HEADS>,
  output: array<Eight, HEADS>,
}

var<workgroup> partial_outputs: array<vec4<f32>, PARTIALS * HEADS * HEAD_VEC4S>;
var<workgroup> partial_scales: array<vec2<f32>, PARTIALS * HEADS>;

// The softmax of a set over positions [first, end) of the KV head whose cache begins at `kv_base`.
fn stream_keys(query: array<Eight, HEADS>, kv_base: u32, first: u32, end: u32, invocation: u32) -> Softmax {
  let own_set = invocation / LANES;
  let quad = invocation % LANES * 2u;
  var sum: Softmax;
  for (var h = 0u; h < HEADS; h++) {
    sum.largest[h] = -1.0e30;
  }
  for (var block = first; block < end; block += SETS * UNROLL) {
    var values: array<Eight, UNROLL>;
    var scores: array<array<f32, HEADS>, UNROLL>;
    for (var u = 0u; u < UNROLL; u++) {
      let at = (kv_base + min(block + u * SETS + own_set, end - 1u)) * HEAD_VEC4S + quad;
      let key = Eight(unpack_stored(k_cache[at]), unpack_stored(k_cache[at + 1u]));
      values[u] = Eight(unpack_stored(v_cache[at]), unpack_stored(v_cache[at + 1u]));
      for (var h = 0u; h < HEADS; h++) {
        scores[u][h] = dot(query[h].a, key.a) + dot(query[h].b, key.b);
      }
    }
    for (var u = 0u; u < UNROLL; u++) {
      let exists = block + u * SETS + own_set < end;
      for (var h = 0u; h < HEADS; h++) {
        for (var step = LANES / 2u; step > 0u; step /= 2u) {
          scores[u][h] += subgroupShuffleXor(scores[u][h], step);
        }
        scores[u][h] = select(-2.0e30, scores[u][h], exists);
      }
    }
    for (var h = 0u; h < HEADS; h++) {
      let before = sum.largest[h];
      var largest = before;
      for (var u = 0u; u < UNROLL; u++) {
        largest = max(largest, scores[u][h]);
      }
      let rescale = exp2(before - largest);
      sum.largest[h] = largest;
      sum.total[h] *= rescale;
      sum.output[h].a *= rescale;
      sum.output[h].b *= rescale;
      for (var u = 0u; u < UNROLL; u++) {
        let probability = exp2(scores[u][h] - largest);
        sum.total[h] += probability;
        sum.output[h].a += probability * values[u].a;
        sum.output[h].b += probability * values[u].b;
      }
    }
  }
  return sum;
}

// Merges the sets of each subgroup and leaves what they found in workgroup memory.
fn leave_partials(own: Softmax, invocation: u32) {
  var sum = own;
  for (var step = LANES; step < SUBGROUP; step *= 2u) {
    for (var h = 0u; h < HEADS; h++) {
      let largest = max(sum.largest[h], subgroupShuffleXor(sum.largest[h], step));
      let rescale = exp2(sum.largest[h] - largest);
      sum.largest[h] = largest;
      sum.total[h] *= rescale;
      sum.total[h] += subgroupShuffleXor(sum.total[h], step);
      let a = sum.output[h].a * rescale;
      let b = sum.output[h].b * rescale;
      sum.output[h].a = a + subgroupShuffleXor(a, step);
      sum.output[h].b = b + subgroupShuffleXor(b, step);
    }
  }
  let lane = invocation % SUBGROUP;
  let first = invocation / SUBGROUP * HEADS;
  if (lane < LANES) {
    for (var h = 0u; h < HEADS; h++) {
      partial_outputs[(first + h) * HEAD_VEC4S + lane * 2u] = sum.output[h].a;
      partial_outputs[(first + h) * HEAD_VEC4S + lane * 2u + 1u] = sum.output[h].b;
      partial_scales[first + h] = vec2<f32>(sum.largest[h], sum.total[h]);
    }
  }
  workgroupBarrier();
}

struct Merged {
  largest: f32,
  total: f32,
  output: vec4<f32>,
}

// Four components of a head's output over all subgroups, unnormalized.
fn merge_partials(head: u32, quad: u32) -> Merged {
  var largest = partial_scales[head].x;
  for (var p = 1u; p < PARTIALS; p++) {
    largest = max(largest, partial_scales[p * HEADS + head].x);
  }
  var merged = Merged(largest, 0.0, vec4<f32>());
  for (var p = 0u; p < PARTIALS; p++) {
    let scale = partial_scales[p * HEADS + head];
    let weight = exp2(scale.x - largest);
    merged.total += weight * scale.y;
    merged.output += weight * partial_outputs[(p * HEADS + head) * HEAD_VEC4S + quad];
  }
  return merged;
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

alias Output = vec4<f32>;

fn pack_output(value: vec4<f32>) -> Output {
  return value;
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

alias Cached = Stored;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let row = workgroup.z;
  let position = state.position + row;
  let base = (row * params.heads + head) * HEAD_VEC4S;
  let at = base + invocation % LANES * 2u;
  let query = Eight(queries[at] * params.scale_log2e, queries[at + 1u] * params.scale_log2e);
  let kv_base = head / params.group_size * params.context_length;
  let own = stream_keys(array<Eight, HEADS>(query), kv_base, first_position(position), position + 1u, invocation);
  leave_partials(own, invocation);
  if (invocation < HEAD_VEC4S) {
    let merged = merge_partials(0u, invocation);
    out[base + invocation] = pack_output(merged.output / merged.total);
  }
}
