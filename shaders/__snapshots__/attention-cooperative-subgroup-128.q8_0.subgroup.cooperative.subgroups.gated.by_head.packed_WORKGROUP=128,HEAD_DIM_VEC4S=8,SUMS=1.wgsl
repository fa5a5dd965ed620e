enable subgroups;
const WORKGROUP: u32 = 128u;
const HEAD_DIM_VEC4S: u32 = 8u;
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
const params = Params(4u, 2u, 52u, 30u, 0.3606737554073334f, 0u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read> kv_scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<Output>;
@group(0) @binding(6) var<storage, read> gates: array<f32>;
@group(0) @binding(7) var<storage, read> head_rows: array<u32>;
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
// Numbers out of words.

// Eight 4-bit numbers of a word, less `bias`: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j. A number n at bits p to p + 3 of the
// mantissa of 2^(23 - p) makes 2^(23 - p) + n, so that no conversion is needed, and a shift only for bits that the mantissa has no room for.
fn low_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let bits = vec4<u32>(word, word, word, word >> 12u) & vec4<u32>(0xfu, 0xf0000u, 0xf0u, 0xf00u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u, 0x43000000u, 0x49000000u, 0x47000000u))
    - (vec4<f32>(8388608.0, 128.0, 524288.0, 32768.0) + bias);
}

fn high_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let upper = word >> 12u;
  let bits = vec4<u32>(word, upper, word, upper) & vec4<u32>(0xf00u, 0xf000u, 0xf000u, 0xf0000u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x47000000u, 0x45000000u, 0x45000000u, 0x43000000u))
    - (vec4<f32>(32768.0, 2048.0, 2048.0, 128.0) + bias);
}

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
// Eight numbers of a block of 32, signed bytes. A word of kv_scales holds the scales of a block of a key and of the same one of its value.
alias Cached = vec2<u32>;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return signed_bytes(cached[half]);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return abs(largest) / 127.0;
}

fn pack_byte_quad(scaled: vec4<f32>) -> u32 {
  return dot(vec4<u32>(vec4<i32>(scaled + 0.5 * sign(scaled))) & vec4<u32>(0xffu), vec4<u32>(1u, 0x100u, 0x10000u, 0x1000000u));
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  return vec2<u32>(pack_byte_quad(a), pack_byte_quad(b));
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Caches of q8_0: numbers in blocks that share a scale. A Stored is what four of them stand for.
// How four components of a head's output are stored.
alias Output = vec4<f32>;

fn pack_output(value: vec4<f32>) -> Output {
  return value;
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

// Of the block that a unit of a key and of its value are in.
fn cached_scales(rows: CachedRows, position: u32, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[block_at(rows, position, i)]);
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).x * numbers_of(k_cache[key_at(rows, position, i) / 2u], i % 2u);
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).y * numbers_of(v_cache[value_at(rows, position, i) / 2u], i % 2u);
}
// Sums over a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> reduce_scratch: array<Sums, WORKGROUP / 4u>;

fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums: Sums;
  for (var i = 0u; i < SUMS; i++) {
    sums[i] = subgroupAdd(values[i]);
  }
  // The previous result may still be read.
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    reduce_scratch[lane / subgroup_size] = sums;
  }
  workgroupBarrier();
  sums = reduce_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    for (var i = 0u; i < SUMS; i++) {
      sums[i] += reduce_scratch[s][i];
    }
  }
  return sums;
}
// The largest values over a workgroup: first in the subgroup, then over subgroups. The smallest subgroup has 4 invocations.
var<workgroup> max_scratch: array<Sums, WORKGROUP / 4u>;

fn reduce_max(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var largest: Sums;
  for (var i = 0u; i < SUMS; i++) {
    largest[i] = subgroupMax(values[i]);
  }
  // The previous result may still be read.
  workgroupBarrier();
  if (lane % subgroup_size == 0u) {
    max_scratch[lane / subgroup_size] = largest;
  }
  workgroupBarrier();
  largest = max_scratch[0];
  for (var s = 1u; s < WORKGROUP / subgroup_size; s++) {
    for (var i = 0u; i < SUMS; i++) {
      largest[i] = max(largest[i], max_scratch[s][i]);
    }
  }
  return largest;
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
  @builtin(subgroup_size) subgroup_size: u32,
) {
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
