enable subgroups;
const WORKGROUP: u32 = 512u;
const SUBGROUP: u32 = 32u;
const LANES: u32 = 4u;
const HEADS: u32 = 1u;
const UNROLL: u32 = 4u;
const KV_HEADS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 8u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(4u, 2u, 50u, 0u, 0.3606737554073334f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
@group(0) @binding(7) var<uniform> mean: array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
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
// How four components of a head's output are stored.
alias Output = vec4<f32>;

fn pack_output(value: vec4<f32>) -> Output {
  return value;
}
// Values of MatryoshkaKV end before their head does: behind them stands what values are there on average. Weights of a softmax sum to one,
// so a head's output has it once, and an unnormalized one as often as its weights' sum says.
fn with_left_out(attended: vec4<f32>, weight: f32, kv_head: u32, quad: u32) -> vec4<f32> {
  return select(attended, weight * mean[kv_head][quad], quad * 4u >= head_widths[kv_head].value);
}
// How wide keys and values of each KV head are in caches of MatryoshkaKV, in components, and where a head begins: what heads before it take of
// a token. Blocks are those of packed caches.
struct HeadWidths {
  first_key: u32,
  key: u32,
  first_value: u32,
  value: u32,
  first_block: u32,
  blocks: u32,
  // Where the basis of its keys and the mean of its values are in the bases of all layers, where layers lie behind each other.
  basis: u32,
  mean: u32,
}
// Where the rows of a KV head lie in the caches, in units of CACHED_COMPONENTS. ragged: every head has widths of its own (MatryoshkaKV); rows
// of a head follow each other without gaps, and beyond its width a row repeats what it ends with: queries are zero there, and outputs are
// not read (lib/left-out). Else all rows are CACHED_PER_HEAD wide.
// packed: two units to a Cached, whose numbers want a scale: lib/stored-q8_0.


struct CachedRows {
  first_key: u32,
  key_width: u32,
  first_value: u32,
  value_width: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  let widths = head_widths[kv_head];
  return CachedRows(
    widths.first_key / CACHED_COMPONENTS * params.context_length, widths.key / CACHED_COMPONENTS,
    widths.first_value / CACHED_COMPONENTS * params.context_length, widths.value / CACHED_COMPONENTS,
  );
}

fn key_width(rows: CachedRows) -> u32 {
  return rows.key_width;
}

fn value_width(rows: CachedRows) -> u32 {
  return rows.value_width;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_key + position * rows.key_width + min(i, rows.key_width - 1u);
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_value + position * rows.value_width + min(i, rows.value_width - 1u);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return 0u;
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[key_at(rows, position, i)];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[value_at(rows, position, i)];
}
// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.


const SETS: u32 = WORKGROUP / LANES;
const PARTIALS: u32 = WORKGROUP / SUBGROUP;
const HEAD_VEC4S: u32 = LANES * 2u;
const CACHED_PER_HEAD: u32 = HEAD_VEC4S;
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

// The softmax of a set over positions [first, end) of a KV head.
fn stream_keys(query: array<Eight, HEADS>, rows: CachedRows, first: u32, end: u32, invocation: u32) -> Softmax {
  let own_set = invocation / LANES;
  let quad = invocation % LANES * 2u;
  var sum: Softmax;
  sum.largest[0u] = -1.0e30;
  // UNROLL keys are under way at once. All written out: loops would move what they hold out of the registers.
  for (var block = first; block < end; block += SETS * UNROLL) {
    let key_0 = block + 0u * SETS + own_set;
    let at_0 = min(key_0, end - 1u);
    let keys_0 = Eight(unpack_stored(cached_key(rows, at_0, quad)), unpack_stored(cached_key(rows, at_0, quad + 1u)));
    let values_0 = Eight(unpack_stored(cached_value(rows, at_0, quad)), unpack_stored(cached_value(rows, at_0, quad + 1u)));
    let key_1 = block + 1u * SETS + own_set;
    let at_1 = min(key_1, end - 1u);
    let keys_1 = Eight(unpack_stored(cached_key(rows, at_1, quad)), unpack_stored(cached_key(rows, at_1, quad + 1u)));
    let values_1 = Eight(unpack_stored(cached_value(rows, at_1, quad)), unpack_stored(cached_value(rows, at_1, quad + 1u)));
    let key_2 = block + 2u * SETS + own_set;
    let at_2 = min(key_2, end - 1u);
    let keys_2 = Eight(unpack_stored(cached_key(rows, at_2, quad)), unpack_stored(cached_key(rows, at_2, quad + 1u)));
    let values_2 = Eight(unpack_stored(cached_value(rows, at_2, quad)), unpack_stored(cached_value(rows, at_2, quad + 1u)));
    let key_3 = block + 3u * SETS + own_set;
    let at_3 = min(key_3, end - 1u);
    let keys_3 = Eight(unpack_stored(cached_key(rows, at_3, quad)), unpack_stored(cached_key(rows, at_3, quad + 1u)));
    let values_3 = Eight(unpack_stored(cached_value(rows, at_3, quad)), unpack_stored(cached_value(rows, at_3, quad + 1u)));
    {
      var score_0 = dot(query[0u].a, keys_0.a) + dot(query[0u].b, keys_0.b);
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score_0 += subgroupShuffleXor(score_0, step);
      }
      score_0 = select(-2.0e30, score_0, key_0 < end);
      var score_1 = dot(query[0u].a, keys_1.a) + dot(query[0u].b, keys_1.b);
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score_1 += subgroupShuffleXor(score_1, step);
      }
      score_1 = select(-2.0e30, score_1, key_1 < end);
      var score_2 = dot(query[0u].a, keys_2.a) + dot(query[0u].b, keys_2.b);
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score_2 += subgroupShuffleXor(score_2, step);
      }
      score_2 = select(-2.0e30, score_2, key_2 < end);
      var score_3 = dot(query[0u].a, keys_3.a) + dot(query[0u].b, keys_3.b);
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score_3 += subgroupShuffleXor(score_3, step);
      }
      score_3 = select(-2.0e30, score_3, key_3 < end);
      var largest = sum.largest[0u];
      largest = max(largest, score_0);
      largest = max(largest, score_1);
      largest = max(largest, score_2);
      largest = max(largest, score_3);
      let rescale = exp2(sum.largest[0u] - largest);
      sum.largest[0u] = largest;
      sum.total[0u] *= rescale;
      sum.output[0u].a *= rescale;
      sum.output[0u].b *= rescale;
      let probability_0 = exp2(score_0 - largest);
      sum.total[0u] += probability_0;
      let weight_0 = probability_0;
      sum.output[0u].a += weight_0 * values_0.a;
      sum.output[0u].b += weight_0 * values_0.b;
      let probability_1 = exp2(score_1 - largest);
      sum.total[0u] += probability_1;
      let weight_1 = probability_1;
      sum.output[0u].a += weight_1 * values_1.a;
      sum.output[0u].b += weight_1 * values_1.b;
      let probability_2 = exp2(score_2 - largest);
      sum.total[0u] += probability_2;
      let weight_2 = probability_2;
      sum.output[0u].a += weight_2 * values_2.a;
      sum.output[0u].b += weight_2 * values_2.b;
      let probability_3 = exp2(score_3 - largest);
      sum.total[0u] += probability_3;
      let weight_3 = probability_3;
      sum.output[0u].a += weight_3 * values_3.a;
      sum.output[0u].b += weight_3 * values_3.b;
    }
  }
  return sum;
}

// Merges the sets of each subgroup and leaves what they found in workgroup memory.
fn leave_partials(own: Softmax, invocation: u32) {
  var sum = own;
  for (var step = LANES; step < SUBGROUP; step *= 2u) {
    let largest_0 = max(sum.largest[0u], subgroupShuffleXor(sum.largest[0u], step));
    let rescale_0 = exp2(sum.largest[0u] - largest_0);
    sum.largest[0u] = largest_0;
    sum.total[0u] *= rescale_0;
    sum.total[0u] += subgroupShuffleXor(sum.total[0u], step);
    let a_0 = sum.output[0u].a * rescale_0;
    let b_0 = sum.output[0u].b * rescale_0;
    sum.output[0u].a = a_0 + subgroupShuffleXor(a_0, step);
    sum.output[0u].b = b_0 + subgroupShuffleXor(b_0, step);
  }
  let lane = invocation % SUBGROUP;
  let first = invocation / SUBGROUP * HEADS;
  if (lane < LANES) {
    partial_outputs[(first + 0u) * HEAD_VEC4S + lane * 2u] = sum.output[0u].a;
    partial_outputs[(first + 0u) * HEAD_VEC4S + lane * 2u + 1u] = sum.output[0u].b;
    partial_scales[first + 0u] = vec2<f32>(sum.largest[0u], sum.total[0u]);
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
// tiled:       tiles of tokens and keys in workgroup memory: lib/tiled-attention.
// else:        an invocation takes one (row, head): barrier-free, for adapters where barriers are slow.
// ragged:      keys and values of a KV head have widths of its own: lib/cached-rows, lib/left-out.
// packed:      keys and values in blocks with a scale: lib/stored-q8_0, lib/stored-q4_0.
// gated:       a head's output is multiplied with its gate; one whose gate is 0 is not computed.
// summands:    a head leaves what it adds to the output projection instead of its output: lib/head-summand.
// by_head:     each head takes the tokens in an order of its own, those that have it on first, so that tiles are full: head-rows.

fn gate_of(row: u32, head: u32) -> f32 {
  return gates[row * params.heads + head];
}

// Four components of a head's output.
fn output_of(row: u32, head: u32, quad: u32, attended: vec4<f32>) -> vec4<f32> {
  return gate_of(row, head) * with_left_out(attended, 1.0, head / params.group_size, quad);
}

// The row of the pass that a head takes as its i-th.
fn row_of(head: u32, i: u32) -> u32 {
  return i;
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
  return state.rows;
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

alias Cached = Stored;
const CACHED_COMPONENTS: u32 = 4u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let row = row_of(head, workgroup.z);
  let position = state.position + row;
  let base = (row * params.heads + head) * HEAD_VEC4S;
  if (gate_of(row, head) == 0.0) {
    if (invocation < HEAD_VEC4S) {
      out[base + invocation] = pack_output(vec4<f32>());
    }
    return;
  }
  let at = base + invocation % LANES * 2u;
  let query = Eight(queries[at] * params.scale_log2e, queries[at + 1u] * params.scale_log2e);
  let rows = cached_rows(head / params.group_size);
  let own = stream_keys(array<Eight, HEADS>(query), rows, first_position(position), position + 1u, invocation);
  leave_partials(own, invocation);
  if (invocation < HEAD_VEC4S) {
    let merged = merge_partials(0u, invocation);
    let output = output_of(row, head, invocation, merged.output / merged.total);
    out[base + invocation] = pack_output(output);
  }
}
