const WORKGROUP: u32 = 128u;
const HEAD_DIM_VEC4S: u32 = 16u;
const SUMS: u32 = 1u;
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
  return LeftOut();
}

fn with_left_out(attended: vec4<f32>, weight: f32, left_out: LeftOut) -> vec4<f32> {
  return attended;
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
  first: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  return CachedRows(kv_head * params.context_length);
}

fn key_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn value_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return (rows.first + position) * CACHED_PER_HEAD + i;
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i) / BLOCK_UNITS;
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[key_at(rows, position, i)];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[value_at(rows, position, i)];
}
// Sums over a workgroup by a tree in workgroup memory. Every invocation gets the result.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  reduce_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        reduce_scratch[lane][i] += reduce_scratch[lane + step][i];
      }
    }
    workgroupBarrier();
  }
  return reduce_scratch[0];
}
// The largest values over a workgroup by a tree in workgroup memory. Every invocation gets them.
var<workgroup> max_scratch: array<Sums, WORKGROUP>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  // The previous result may still be read.
  workgroupBarrier();
  max_scratch[lane] = values;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      for (var i = 0u; i < SUMS; i++) {
        max_scratch[lane][i] = max(max_scratch[lane][i], max_scratch[lane + step][i]);
      }
    }
    workgroupBarrier();
  }
  return max_scratch[0];
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
var<workgroup> query: array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> probabilities: array<f32, WORKGROUP>;
var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

alias Sums = array<f32, SUMS>;

const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let subgroup_size = 1u;
  let head = workgroup.x;
  let row = row_of(head, workgroup.z);
  let rows = cached_rows(head / params.group_size);
  let position = state.position + row;
  let first = first_position(position);
  let quad = lane % HEAD_DIM_VEC4S;
  let part = lane / HEAD_DIM_VEC4S;
  if (gate_of(row, head) == 0.0) {
    if (part == 0u) {
      out[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = pack_output(vec4<f32>());
    }
    return;
  }
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
      for (var i = 0u; i < key_width(rows); i++) {
        score += dot(query[i], unpack_stored(cached_key(rows, key, i)));
      }
    }
    let new_max = max(running_max, reduce_max(Sums(score), lane, subgroup_size)[0]);
    let rescale = exp2(running_max - new_max);
    let probability = select(0.0, exp2(score - new_max), key <= position);
    probabilities[lane] = probability;
    sum = sum * rescale + probability;
    running_max = new_max;
    output *= rescale;
    workgroupBarrier();
    if (part < PARTS) {
      // A constant number of turns, so that all loads are under way at once; probabilities past the end are zero.
      for (var j = part; j < WORKGROUP; j += PARTS) {
        output += probabilities[j] * unpack_stored(cached_value(rows, min(block + j, position), quad));
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
    out[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = pack_output(output_of(row, head, quad, output / total));
  }
}
