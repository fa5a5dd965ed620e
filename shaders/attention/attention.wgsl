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
//#import lib/state
//#import lib/stored-{kv}
//#import lib/head-output
//#import lib/left-out

fn gate_of(row: u32, head: u32) -> f32 {
//#if gated
  return gates[row * params.heads + head];
//#else
  return 1.0;
//#endif
}

// Four components of a head's output.
fn output_of(row: u32, head: u32, quad: u32, attended: vec4<f32>) -> vec4<f32> {
  return gate_of(row, head) * with_left_out(attended, 1.0, left_out_of(head / params.group_size, quad));
}

// The row of the pass that a head takes as its i-th.
fn row_of(head: u32, i: u32) -> u32 {
//#if by_head
  return head_rows[params.heads + head * state.rows + i];
//#else
  return i;
//#endif
}

// Rows that have the head on.
fn rows_of(head: u32) -> u32 {
//#if by_head
  return head_rows[head];
//#else
  return state.rows;
//#endif
}

fn first_position(position: u32) -> u32 {
  // A window of 0 means all positions.
  return select(0u, max(position + 1u, params.window) - params.window, params.window > 0u);
}

//#if matrix
//#import lib/matrix-attention
//#else
//#if stream
//#import lib/stream-attention
//#if summands
//#import lib/head-summand
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
//#if shares
  let row = 0u;
  let summand = head * SHARES + workgroup.z;
//#else
  let row = row_of(head, workgroup.z);
  let summand = head;
//#endif
  let position = state.position + row;
  let base = (row * params.heads + head) * HEAD_VEC4S;
//#if gated
  if (gate_of(row, head) == 0.0) {
//#if summands
    write_summand(summand, workgroup.y, invocation, 0.0);
//#if shares
    leave_scale(summand, workgroup.y, invocation, vec2<f32>(0.0, 1.0));
//#endif
//#else
    if (invocation < HEAD_VEC4S) {
      out[base + invocation] = pack_output(vec4<f32>());
    }
//#endif
    return;
  }
//#endif
//#if summands
  let columns = bring_columns(head, workgroup.y, invocation);
//#endif
  let kv_head = head / params.group_size;
  let rows = cached_rows(kv_head);
  let left_out = left_out_of(kv_head, invocation % HEAD_VEC4S);
  let at = base + key_lane(invocation) * 2u;
  let query = Eight(queries[at] * params.scale_log2e, queries[at + 1u] * params.scale_log2e);
  var first = first_position(position);
  var end = position + 1u;
//#if shares
  let span = (end - first + SHARES - 1u) / SHARES;
  first += workgroup.z * span;
  end = min(end, first + span);
//#endif
  let own = stream_keys(array<Eight, HEADS>(query), rows, first, end, invocation);
  leave_partials(own, invocation);
  if (invocation < HEAD_VEC4S) {
    let merged = merge_partials(0u, invocation);
//#if shares
    let output = gate_of(row, head) * with_left_out(merged.output, merged.total, left_out);
    leave_scale(summand, workgroup.y, invocation, vec2<f32>(merged.largest, merged.total));
//#else
    let output = gate_of(row, head) * with_left_out(merged.output / merged.total, 1.0, left_out);
//#endif
//#if summands
    head_output[invocation] = output;
//#else
    out[base + invocation] = pack_output(output);
//#endif
  }
//#if summands
  workgroupBarrier();
  leave_summand(summand, workgroup.y, columns, invocation);
//#endif
}
//#else
const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
//#if tiled
//#import lib/tiled-attention
//#else
//#import lib/cached-rows
//#if cooperative
var<workgroup> query: array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> probabilities: array<f32, WORKGROUP>;
var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/max-{reduce}

const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

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
  let head = workgroup.x;
  let row = row_of(head, workgroup.z);
  let rows = cached_rows(head / params.group_size);
  let position = state.position + row;
  let first = first_position(position);
  let quad = lane % HEAD_DIM_VEC4S;
  let part = lane / HEAD_DIM_VEC4S;
//#if gated
  if (gate_of(row, head) == 0.0) {
    if (part == 0u) {
      out[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = pack_output(vec4<f32>());
    }
    return;
  }
//#endif
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
//#else
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x;
  if (head >= params.heads || id.z >= state.rows) {
    return;
  }
  let row = row_of(head, id.z);
  let rows = cached_rows(head / params.group_size);
  let at = (row * params.heads + head) * HEAD_DIM_VEC4S;
//#if gated
  if (gate_of(row, head) == 0.0) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      out[at + i] = pack_output(vec4<f32>());
    }
    return;
  }
//#endif
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
//#endif
//#endif
//#endif
//#endif
