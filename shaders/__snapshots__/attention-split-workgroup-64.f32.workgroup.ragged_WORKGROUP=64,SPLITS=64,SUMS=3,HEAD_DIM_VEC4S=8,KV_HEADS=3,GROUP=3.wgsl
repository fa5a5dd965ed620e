const WORKGROUP: u32 = 64u;
const SPLITS: u32 = 64u;
const SUMS: u32 = 3u;
const HEAD_DIM_VEC4S: u32 = 8u;
const KV_HEADS: u32 = 3u;
const GROUP: u32 = 3u;
struct Params {
  context_length: u32,
  window: u32,
  scale_log2e: f32,
}
const params = Params(1304u, 0u, 0.3606737554073334f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> split_outputs: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> split_scales: array<vec2<f32>>;
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
// Decode attention cut along the context (flash decoding): a workgroup takes one KV head and one of SPLITS parts of the cached
// positions, for all query heads of the group at once, so that keys and values are read once for all of them. It writes the
// part's unnormalized output, its maximum score and its sum of exponentials; attention-combine puts the parts together.
// gated: a group whose heads are all off is left out.
// stream: sets of invocations take a key each: lib/stream-attention.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1, applied to parts of the keys.
// packed: keys and values in blocks with a scale: lib/stored-q8_0, lib/stored-q4_0.
// ragged: keys and values of a KV head have widths of its own: lib/cached-rows, lib/left-out.

struct Range {
  first: u32,
  end: u32,
}

// The cached positions of a part.
fn range_of(split: u32) -> Range {
  let position = state.position;
  // A window of 0 means all positions.
  let window_start = select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
  let span = (position + 1u - window_start + SPLITS - 1u) / SPLITS;
  let first = window_start + split * span;
  return Range(first, min(first + span, position + 1u));
}


// Four components of the group's queries.
fn query_quad(kv_head: u32, i: u32) -> vec4<f32> {
  return queries[kv_head * GROUP * HEAD_DIM_VEC4S + i];
}


const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
alias Sums = array<f32, SUMS>;

var<workgroup> query: array<vec4<f32>, SUMS * HEAD_DIM_VEC4S>;
var<workgroup> probabilities: array<Sums, WORKGROUP>;
var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

fn scores_of(rows: CachedRows, position: u32) -> Sums {
  var scores: Sums;
  for (var i = 0u; i < key_width(rows); i++) {
    let key = unpack_stored(cached_key(rows, position, i));
    for (var g = 0u; g < SUMS; g++) {
      scores[g] += dot(query[g * HEAD_DIM_VEC4S + i], key);
    }
  }
  return scores;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let subgroup_size = 1u;
  let kv_head = workgroup.x;
  let split = workgroup.y;
  let rows = cached_rows(kv_head);
  let range = range_of(split);
  let first = range.first;
  let end = range.end;
  let quad = lane % HEAD_DIM_VEC4S;
  let part = lane / HEAD_DIM_VEC4S;
  let left_out = left_out_of(kv_head, quad);
  for (var i = lane; i < SUMS * HEAD_DIM_VEC4S; i += WORKGROUP) {
    query[i] = query_quad(kv_head, i) * params.scale_log2e;
  }
  workgroupBarrier();

  var running_max: Sums;
  var sums: Sums;
  var output: array<vec4<f32>, SUMS>;
  for (var g = 0u; g < SUMS; g++) {
    running_max[g] = -1.0e30;
  }
  for (var block = first; block < end; block += WORKGROUP) {
    let key = block + lane;
    var scores: Sums;
    for (var g = 0u; g < SUMS; g++) {
      scores[g] = -3.0e38;
    }
    if (key < end) {
      scores = scores_of(rows, key);
    }
    let block_max = reduce_max(scores, lane, subgroup_size);
    var weights: Sums;
    for (var g = 0u; g < SUMS; g++) {
      let largest = max(running_max[g], block_max[g]);
      let rescale = exp2(running_max[g] - largest);
      weights[g] = select(0.0, exp2(scores[g] - largest), key < end);
      sums[g] = sums[g] * rescale + weights[g];
      output[g] *= rescale;
      running_max[g] = largest;
    }
    probabilities[lane] = weights;
    workgroupBarrier();
    if (part < PARTS) {
      // A constant number of turns, so that all loads are under way at once; probabilities past the end are zero.
      for (var j = part; j < WORKGROUP; j += PARTS) {
        let value = unpack_stored(cached_value(rows, min(block + j, end - 1u), quad));
        for (var g = 0u; g < SUMS; g++) {
          output[g] += probabilities[j][g] * value;
        }
      }
    }
    workgroupBarrier();
  }

  let totals = reduce_add(sums, lane, subgroup_size);
  for (var g = 0u; g < SUMS; g++) {
    workgroupBarrier();
    partial[lane] = output[g];
    workgroupBarrier();
    let at = (kv_head * SUMS + g) * SPLITS + split;
    if (part == 0u) {
      var sum = output[g];
      for (var p = 1u; p < PARTS; p++) {
        sum += partial[p * HEAD_DIM_VEC4S + quad];
      }
      split_outputs[at * HEAD_DIM_VEC4S + quad] = with_left_out(sum, totals[g], left_out);
    }
    if (lane == 0u) {
      split_scales[at] = vec2<f32>(running_max[g], totals[g]);
    }
  }
}
