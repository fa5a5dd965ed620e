const WORKGROUP: u32 = 16u;
const HEAD_DIM_VEC4S: u32 = 16u;
const KV_HEADS: u32 = 2u;
struct Params {
  heads: u32,
  group_size: u32,
  context_length: u32,
  window: u32,
  scale_log2e: f32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(8u, 4u, 82u, 0u, 0.1803368777036667f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> out: array<Output>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<storage, read> head_rows: array<u32>;
@group(0) @binding(7) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
@group(0) @binding(8) var<uniform> mean: array<array<vec4<f32>, HEAD_DIM_VEC4S>, KV_HEADS>;
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// How four components of a head's output are stored.
alias Output = vec2<u32>;

fn pack_output(value: vec4<f32>) -> Output {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// Values of MatryoshkaKV end before their head does: behind them stands what values are there on average. Weights of a softmax sum to one,
// so a head's output has it once, and an unnormalized one as often as its weights' sum says.
struct LeftOut {
  is_left_out: bool,
  mean: vec4<f32>,
}

// Of four components of a head: to be brought before it attends.
fn left_out_of(kv_head: u32, quad: u32) -> LeftOut {
  return LeftOut(quad * 4u >= head_widths[kv_head].value, mean[kv_head][quad]);
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
  return select(attended, weight * left_out.mean, left_out.is_left_out);
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
// packed: numbers that want a scale, eight to a Cached: lib/stored-q8_0.

const CACHED_COMPONENTS: u32 = 4u;
alias Cached = Stored;
// Units of a packed block.
const BLOCK_UNITS: u32 = 32u / CACHED_COMPONENTS;


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
  return gate_of(row, head) * with_left_out(attended, 1.0, left_out_of(head / params.group_size, quad));
}

// The row of the pass that a head takes as its i-th.
fn row_of(head: u32, i: u32) -> u32 {
  return head_rows[params.heads + head * state.rows + i];
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
  return head_rows[head];
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x;
  if (head >= params.heads || id.z >= state.rows) {
    return;
  }
  let row = row_of(head, id.z);
  let rows = cached_rows(head / params.group_size);
  let at = (row * params.heads + head) * HEAD_DIM_VEC4S;
  if (gate_of(row, head) == 0.0) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      out[at + i] = pack_output(vec4<f32>());
    }
    return;
  }
  let position = state.position + row;
  var query: array<vec4<f32>, HEAD_DIM_VEC4S>;
  var output: array<vec4<f32>, HEAD_DIM_VEC4S>;
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    query[i] = queries[at + i] * params.scale_log2e;
  }
  var running_max = -3.0e38;
  var sum = 0.0;
  for (var key = first_position(position); key <= position; key++) {
    var score = 0.0;
    for (var i = 0u; i < key_width(rows); i++) {
      score += dot(query[i], unpack_stored(cached_key(rows, key, i)));
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
    for (var i = 0u; i < value_width(rows); i++) {
      output[i] += probability * unpack_stored(cached_value(rows, key, i));
    }
  }
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    out[at + i] = pack_output(output_of(row, head, i, output[i] / sum));
  }
}
