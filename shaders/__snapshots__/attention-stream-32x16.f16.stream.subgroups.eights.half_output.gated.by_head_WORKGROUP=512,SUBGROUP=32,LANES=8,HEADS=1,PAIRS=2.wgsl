enable subgroups;
const WORKGROUP: u32 = 512u;
const SUBGROUP: u32 = 32u;
const LANES: u32 = 8u;
const HEADS: u32 = 1u;
const PAIRS: u32 = 2u;
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

const CACHED_COMPONENTS: u32 = 8u;
// Eight halves.
alias Cached = vec4<u32>;
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
// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// half_keys, half_values: no head of the layer keeps more than half of them, so each half of a set's lanes takes all of its own.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.


const SETS: u32 = WORKGROUP / LANES;
// Steps of sums over half a set, and over the sets of a subgroup. Loops that count are written out by drivers, so that heads are summed side by
// side; loops that halve are not.
const HALF_STEPS: u32 = firstTrailingBit(LANES / 2u);
const MERGE_STEPS: u32 = firstTrailingBit(SUBGROUP / LANES);
// Keys that all sets take at once.
const TURN_KEYS: u32 = 2u * SETS * PAIRS;
const PARTIALS: u32 = WORKGROUP / SUBGROUP;
const HEAD_VEC4S: u32 = LANES * 2u;
const CACHED_PER_HEAD: u32 = HEAD_VEC4S * 4u / CACHED_COMPONENTS;
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

fn no_softmax() -> Softmax {
  var none: Softmax;
  none.largest[0u] = -1.0e30;
  return none;
}

// Eight components as they are cached.
alias CachedEight = Cached;

// Packed ones want their scale.
fn eight_of(cached: CachedEight) -> Eight {
  return Eight(unpack_stored(cached.xy), unpack_stored(cached.zw));
}

fn key_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return k_cache[key_at(rows, position, lane)];
}

fn value_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return v_cache[value_at(rows, position, lane)];
}

// Which eight components of a key an invocation takes, and of a value.
fn key_lane(invocation: u32) -> u32 {
  return invocation % LANES;
}

fn value_lane(invocation: u32) -> u32 {
  return invocation % LANES;
}

// The keys and values that a set takes at once: PAIRS pairs, each of its halves one as its own.
struct Fetched {
  own_key_0: CachedEight,
  own_value_0: CachedEight,
  other_key_0: CachedEight,
  other_value_0: CachedEight,
  own_key_1: CachedEight,
  own_value_1: CachedEight,
  other_key_1: CachedEight,
  other_value_1: CachedEight,
}

// Positions of a pair, own and other, of those that are taken from `block` on.
fn pair_at(block: u32, pair: u32, invocation: u32) -> vec2<u32> {
  let half = invocation % LANES / (LANES / 2u);
  return block + vec2<u32>(2u * pair + half, 2u * pair + 1u - half) * SETS + invocation / LANES;
}

fn fetch(rows: CachedRows, block: u32, end: u32, invocation: u32) -> Fetched {
  var fetched: Fetched;
  let at_0 = min(pair_at(block, 0u, invocation), vec2<u32>(end - 1u));
  fetched.own_key_0 = key_eight(rows, at_0.x, key_lane(invocation));
  fetched.other_key_0 = key_eight(rows, at_0.y, key_lane(invocation));
  fetched.own_value_0 = value_eight(rows, at_0.x, value_lane(invocation));
  fetched.other_value_0 = value_eight(rows, at_0.y, value_lane(invocation));
  let at_1 = min(pair_at(block, 1u, invocation), vec2<u32>(end - 1u));
  fetched.own_key_1 = key_eight(rows, at_1.x, key_lane(invocation));
  fetched.other_key_1 = key_eight(rows, at_1.y, key_lane(invocation));
  fetched.own_value_1 = value_eight(rows, at_1.x, value_lane(invocation));
  fetched.other_value_1 = value_eight(rows, at_1.y, value_lane(invocation));
  return fetched;
}

// The softmax of a set over positions [first, end) of a KV head; of a pair of keys, each half sums what both have of the score of its own one.
// All written out: loops would move what they hold out of the registers.
// parts: the first keys and values are there, or on their way. ahead: so are the next ones while these are attended to.
fn stream_keys(
  query: array<Eight, HEADS>,
  rows: CachedRows,
  first: u32,
  end: u32,
  invocation: u32,
) -> Softmax {
  let lane = invocation % LANES;
  var sum = no_softmax();
  for (var block = first; block < end; block += TURN_KEYS) {
    let fetched = fetch(rows, block, end, invocation);
    let at_0 = pair_at(block, 0u, invocation);
    let own_key_0 = eight_of(fetched.own_key_0);
    let own_value_0 = eight_of(fetched.own_value_0);
    let other_key_0 = eight_of(fetched.other_key_0);
    let other_value_0 = eight_of(fetched.other_value_0);
    let at_1 = pair_at(block, 1u, invocation);
    let own_key_1 = eight_of(fetched.own_key_1);
    let own_value_1 = eight_of(fetched.own_value_1);
    let other_key_1 = eight_of(fetched.other_key_1);
    let other_value_1 = eight_of(fetched.other_value_1);
    // Weights of all heads are made before values are touched.
    var largest_0 = sum.largest[0u];
    var own_0_0 = dot(query[0u].a, own_key_0.a) + dot(query[0u].b, own_key_0.b);
    var other_0_0 = dot(query[0u].a, other_key_0.a) + dot(query[0u].b, other_key_0.b);
    own_0_0 += subgroupShuffleXor(other_0_0, LANES / 2u);
    for (var i = 0u; i < HALF_STEPS; i++) {
      own_0_0 += subgroupShuffleXor(own_0_0, (LANES / 4u) >> i);
    }
    other_0_0 = subgroupShuffleXor(own_0_0, LANES / 2u);
    other_0_0 = select(-2.0e30, other_0_0, at_0.y < end);
    own_0_0 = select(-2.0e30, own_0_0, at_0.x < end);
    largest_0 = max(largest_0, max(own_0_0, other_0_0));
    var own_1_0 = dot(query[0u].a, own_key_1.a) + dot(query[0u].b, own_key_1.b);
    var other_1_0 = dot(query[0u].a, other_key_1.a) + dot(query[0u].b, other_key_1.b);
    own_1_0 += subgroupShuffleXor(other_1_0, LANES / 2u);
    for (var i = 0u; i < HALF_STEPS; i++) {
      own_1_0 += subgroupShuffleXor(own_1_0, (LANES / 4u) >> i);
    }
    other_1_0 = subgroupShuffleXor(own_1_0, LANES / 2u);
    other_1_0 = select(-2.0e30, other_1_0, at_1.y < end);
    own_1_0 = select(-2.0e30, own_1_0, at_1.x < end);
    largest_0 = max(largest_0, max(own_1_0, other_1_0));
    let rescale_0 = exp2(sum.largest[0u] - largest_0);
    sum.largest[0u] = largest_0;
    sum.total[0u] *= rescale_0;
    sum.output[0u].a *= rescale_0;
    sum.output[0u].b *= rescale_0;
    own_0_0 = exp2(own_0_0 - largest_0);
    other_0_0 = exp2(other_0_0 - largest_0);
    sum.total[0u] += own_0_0 + other_0_0;
    own_1_0 = exp2(own_1_0 - largest_0);
    other_1_0 = exp2(other_1_0 - largest_0);
    sum.total[0u] += own_1_0 + other_1_0;
    sum.output[0u].a += own_0_0 * own_value_0.a + other_0_0 * other_value_0.a;
    sum.output[0u].b += own_0_0 * own_value_0.b + other_0_0 * other_value_0.b;
    sum.output[0u].a += own_1_0 * own_value_1.a + other_1_0 * other_value_1.a;
    sum.output[0u].b += own_1_0 * own_value_1.b + other_1_0 * other_value_1.b;
  }
  return sum;
}

// Merges the sets of each subgroup and leaves what they found in workgroup memory.
fn leave_partials(own: Softmax, invocation: u32) {
  var sum = own;
  for (var i = 0u; i < MERGE_STEPS; i++) {
    let step = LANES << i;
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


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let row = row_of(head, workgroup.z);
  let summand = head;
  let position = state.position + row;
  let base = (row * params.heads + head) * HEAD_VEC4S;
  if (gate_of(row, head) == 0.0) {
    if (invocation < HEAD_VEC4S) {
      out[base + invocation] = pack_output(vec4<f32>());
    }
    return;
  }
  let kv_head = head / params.group_size;
  let rows = cached_rows(kv_head);
  let left_out = left_out_of(kv_head, invocation % HEAD_VEC4S);
  let at = base + key_lane(invocation) * 2u;
  let query = Eight(queries[at] * params.scale_log2e, queries[at + 1u] * params.scale_log2e);
  var first = first_position(position);
  var end = position + 1u;
  let own = stream_keys(array<Eight, HEADS>(query), rows, first, end, invocation);
  leave_partials(own, invocation);
  if (invocation < HEAD_VEC4S) {
    let merged = merge_partials(0u, invocation);
    let output = gate_of(row, head) * with_left_out(merged.output / merged.total, 1.0, left_out);
    out[base + invocation] = pack_output(output);
  }
}
