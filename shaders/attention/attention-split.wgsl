// Decode attention cut along the context (flash decoding): a workgroup takes one KV head and one of SPLITS parts of the cached
// positions, for all query heads of the group at once, so that keys and values are read once for all of them. It writes the
// part's unnormalized output, its maximum score and its sum of exponentials; attention-combine puts the parts together.
// gated: a group whose heads are all off is left out.
// stream: sets of invocations take a key each: lib/stream-attention.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1, applied to parts of the keys.
// packed: keys and values in blocks with a scale: lib/stored-q8_0, lib/stored-q4_0.
// ragged: keys and values of a KV head have widths of its own: lib/cached-rows, lib/left-out.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/left-out

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

//#if parts
// Of the group's queries, then of the newest key.
var<workgroup> coefficients: array<vec4<f32>, (GROUP + 1u) * HEAD_DIM_VEC4S>;

// Adds up coefficients that the projection left in QUERY_PARTS parts [parts, heads + KV heads, head] (qkv); zeros beyond what keys keep. The newest
// key goes into the cache where it is attended to: says whether it does.
fn bring_coefficients(kv_head: u32, rows: CachedRows, range: Range, invocation: u32) -> bool {
  let width = head_widths[kv_head].key;
  for (var i = invocation; i < (GROUP + 1u) * HEAD_DIM_VEC4S; i += WORKGROUP) {
    let g = i / HEAD_DIM_VEC4S;
    let quad = i % HEAD_DIM_VEC4S;
    let head = select(kv_head * GROUP + g, KV_HEADS * GROUP + kv_head, g == GROUP);
    var sum = vec4<f32>();
//#repeat P QUERY_PARTS
    sum += queries[(P * KV_HEADS * (GROUP + 1u) + head) * HEAD_DIM_VEC4S + quad];
//#endrepeat
    coefficients[i] = select(vec4<f32>(), sum, quad * 4u < width);
  }
  workgroupBarrier();
  let position = state.position;
  let has_newest = range.first < range.end && range.end == position + 1u;
  if (has_newest) {
    if (invocation < key_width(rows)) {
      let at = key_at(rows, position, invocation);
//#if eights
      let quad = GROUP * HEAD_DIM_VEC4S + 2u * invocation;
      k_cache[at] = vec4<u32>(pack_stored(coefficients[quad]), pack_stored(coefficients[quad + 1u]));
//#else
      k_cache[at] = pack_stored(coefficients[GROUP * HEAD_DIM_VEC4S + invocation]);
//#endif
    }
    storageBarrier();
  }
  return has_newest;
}
//#endif

// Four components of the group's queries.
fn query_quad(kv_head: u32, i: u32) -> vec4<f32> {
//#if parts
  return coefficients[i];
//#else
  return queries[kv_head * GROUP * HEAD_DIM_VEC4S + i];
//#endif
}

//#if gated
// Is no query head of the group on? Then its keys need not be read: attention-combine leaves such heads out.
fn is_group_off(kv_head: u32, group_size: u32) -> bool {
  var largest = 0.0;
  for (var g = 0u; g < group_size; g++) {
    largest = max(largest, abs(gates[kv_head * group_size + g]));
  }
  return largest == 0.0;
}
//#endif

//#if stream
//#import lib/stream-attention

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let kv_head = workgroup.x;
  let split = workgroup.y;
  let range = range_of(split);
  let rows = cached_rows(kv_head);
//#if parts
  // On their way while coefficients come; but for the newest one.
  var start = fetch(rows, range.first, range.end, invocation);
  if (bring_coefficients(kv_head, rows, range, invocation)) {
    start = fetch(rows, range.first, range.end, invocation);
  }
//#endif
//#if gated
  if (is_group_off(kv_head, HEADS)) {
    return;
  }
//#endif
  // An invocation puts the same components of heads together in all turns.
  let quad = invocation % HEAD_VEC4S;
  let left_out = left_out_of(kv_head, quad);
  var query: array<Eight, HEADS>;
//#repeat H HEADS
  let at_H = H * HEAD_VEC4S + key_lane(invocation) * 2u;
  query[H] = Eight(query_quad(kv_head, at_H) * params.scale_log2e, query_quad(kv_head, at_H + 1u) * params.scale_log2e);
//#endrepeat
//#if parts
  let own = stream_keys(query, rows, range.first, range.end, invocation, start);
//#else
  let own = stream_keys(query, rows, range.first, range.end, invocation);
//#endif
  leave_partials(own, invocation);
  for (var i = invocation; i < HEADS * HEAD_VEC4S; i += WORKGROUP) {
    let head = i / HEAD_VEC4S;
    let merged = merge_partials(head, quad);
    let at = (kv_head * HEADS + head) * SPLITS + split;
    split_outputs[at * HEAD_VEC4S + quad] = with_left_out(merged.output, merged.total, left_out);
    if (quad == 0u) {
      split_scales[at] = vec2<f32>(merged.largest, merged.total);
    }
  }
}
//#else
const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
//#import lib/cached-rows
alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/max-{reduce}

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
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let kv_head = workgroup.x;
  let split = workgroup.y;
  let rows = cached_rows(kv_head);
  let range = range_of(split);
//#if parts
  _ = bring_coefficients(kv_head, rows, range, lane);
//#endif
//#if gated
  if (is_group_off(kv_head, SUMS)) {
    return;
  }
//#endif
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
//#endif
