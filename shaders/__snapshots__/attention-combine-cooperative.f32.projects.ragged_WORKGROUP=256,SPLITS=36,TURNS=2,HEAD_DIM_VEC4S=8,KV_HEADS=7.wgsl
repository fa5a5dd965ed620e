const WORKGROUP: u32 = 256u;
const SPLITS: u32 = 36u;
const TURNS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 8u;
const KV_HEADS: u32 = 7u;
struct Params {
  heads: u32,
  context_length: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(14u, 15u, 0u, 0u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> state: State;
@group(0) @binding(4) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(6) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
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
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. A workgroup makes a head: its
// invocations share four components at a time and the parts. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).
// projects: workgroups past the heads put the newest token into ragged caches, which attention-split left behind the parts.


const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;

fn keep_token(kv_head: u32, quad: u32) {
  let rows = cached_rows(kv_head);
  let at = (params.heads * SPLITS + kv_head * 2u) * HEAD_DIM_VEC4S + quad;
  if (quad < key_width(rows)) {
    k_cache[key_at(rows, state.position, quad)] = pack_stored(split_outputs[at]);
  }
  if (quad < value_width(rows)) {
    v_cache[value_at(rows, state.position, quad)] = pack_stored(split_outputs[at + HEAD_DIM_VEC4S]);
  }
}

// Invocations of the same four components.
const SHARES: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> share_outputs: array<vec4<f32>, SHARES * HEAD_DIM_VEC4S>;
var<workgroup> share_scales: array<vec2<f32>, SHARES>;

// Every SHARES-th part of a head, unnormalized. All of them are on their way before the first one is used; past the end the last one is
// repeated, and weighs nothing.
fn leave_share(head: u32, share: u32, quad: u32) {
  let part_0 = share + 0u * SHARES;
  let at_0 = head * SPLITS + min(part_0, SPLITS - 1u);
  let scale_0 = split_scales[at_0];
  let output_0 = split_outputs[at_0 * HEAD_DIM_VEC4S + quad];
  let part_1 = share + 1u * SHARES;
  let at_1 = head * SPLITS + min(part_1, SPLITS - 1u);
  let scale_1 = split_scales[at_1];
  let output_1 = split_outputs[at_1 * HEAD_DIM_VEC4S + quad];
  var largest = -1.0e30;
  largest = max(largest, scale_0.x);
  largest = max(largest, scale_1.x);
  var total = 0.0;
  var output = vec4<f32>();
  let weight_0 = select(0.0, exp2(scale_0.x - largest), part_0 < SPLITS);
  total += weight_0 * scale_0.y;
  output += weight_0 * output_0;
  let weight_1 = select(0.0, exp2(scale_1.x - largest), part_1 < SPLITS);
  total += weight_1 * scale_1.y;
  output += weight_1 * output_1;
  share_outputs[share * HEAD_DIM_VEC4S + quad] = output;
  if (quad == 0u) {
    share_scales[share] = vec2<f32>(largest, total);
  }
}

// Four components of the head, of what all shares left.
fn combined(quad: u32) -> vec4<f32> {
  var largest = share_scales[0].x;
  for (var i = 1u; i < SHARES; i++) {
    largest = max(largest, share_scales[i].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var i = 0u; i < SHARES; i++) {
    let scale = share_scales[i];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * share_outputs[i * HEAD_DIM_VEC4S + quad];
  }
  return output / total;
}

fn gate_of(head: u32) -> f32 {
  return 1.0;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  if (head >= params.heads) {
    if (workgroup.y == 0u) {
      keep_token(head - params.heads, invocation);
    }
    return;
  }
  let quad = invocation % HEAD_DIM_VEC4S;
  let share = invocation / HEAD_DIM_VEC4S;
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
    if (share == 0u) {
      out[head * HEAD_DIM_VEC4S + quad] = vec4<f32>();
    }
    return;
  }
  if (share < SHARES) {
    leave_share(head, share, quad);
  }
  workgroupBarrier();
  if (share == 0u) {
    let output = gate * combined(quad);
    out[head * HEAD_DIM_VEC4S + quad] = output;
  }
}
