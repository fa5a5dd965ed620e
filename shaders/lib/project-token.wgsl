// The newest token of a decode step on its way into ragged caches, within the attention that reads them: every workgroup of a KV head makes the
// coefficients of its queries and of its key, as kv-project does; the one whose part holds the token attends to it, and leaves its key and
// value behind the parts, for attention-combine to put them into the caches, which are only read here. A vector of the basis is read once for
// all of them, by VECTOR_LANES invocations. `queries` holds queries, then keys, then values, as the projection left them; behind the bases stand
// the means of values.
//#import lib/basis

const HEAD_DIM: u32 = HEAD_VEC4S * 4u;
const VECTORS: u32 = WORKGROUP / VECTOR_LANES;

// Queries, the key, the value.
var<workgroup> whole: array<vec4<f32>, (PROJECTED + 1u) * HEAD_VEC4S>;
// Coefficients of the queries and of the key, zeros beyond the width: kernels read whole heads.
var<workgroup> narrow: array<f32, PROJECTED * HEAD_DIM>;

fn narrow_quad(head: u32, quad: u32) -> vec4<f32> {
  let at = head * HEAD_DIM + quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}

fn narrow_eight(head: u32, quad: u32) -> Eight {
  return Eight(narrow_quad(head, quad), narrow_quad(head, quad + 1u));
}

// Barriers follow: whole workgroups call it.
fn project_token(kv_head: u32, invocation: u32) {
  let width = head_widths[kv_head].key;
  let own_vector = invocation / VECTOR_LANES;
  let lane = invocation % VECTOR_LANES;
  let staged = kv_head * params.staged_rows * HEAD_VEC4S;
  var at = basis_of(kv_head) + own_vector * HEAD_VEC4S + lane;
//#repeat I LANE_QUADS
  var vector_I = basis[at + I * VECTOR_LANES];
//#endrepeat
  for (var i = invocation; i < (PROJECTED + 1u) * HEAD_VEC4S; i += WORKGROUP) {
    let quad = i % HEAD_VEC4S;
    let head = i / HEAD_VEC4S;
    let of_token = select(params.first_key, params.first_value, head > HEADS) + staged;
    whole[i] = queries[select(of_token, (kv_head * HEADS + head) * HEAD_VEC4S, head < HEADS) + quad];
  }
  if (invocation < HEAD_VEC4S) {
    let means = basis_of(KV_HEADS) + (kv_head * HEAD_VEC4S + invocation) * 2u;
    left_out[invocation] = bitcast<vec4<f32>>(vec4<u32>(basis[means], basis[means + 1u]));
  }
  workgroupBarrier();
  for (var first = 0u; first < width; first += VECTORS) {
    let j = first + own_vector;
//#repeat V PROJECTED
    var sum_V = 0.0;
//#endrepeat
//#repeat I LANE_QUADS
    let quad_I = vec4<f32>(unpack2x16float(vector_I.x), unpack2x16float(vector_I.y));
//#repeat V PROJECTED
    sum_V += dot(whole[V * HEAD_VEC4S + I * VECTOR_LANES + lane], quad_I);
//#endrepeat
//#endrepeat
    at += VECTORS * HEAD_VEC4S;
    if (first + VECTORS < width) {
//#repeat I LANE_QUADS
      vector_I = basis[at + I * VECTOR_LANES];
//#endrepeat
    }
    for (var step = VECTOR_LANES / 2u; step > 0u; step /= 2u) {
//#repeat V PROJECTED
      sum_V += subgroupShuffleXor(sum_V, step);
//#endrepeat
    }
    if (lane == 0u && j < width) {
//#repeat V PROJECTED
      narrow[V * HEAD_DIM + j] = sum_V;
//#endrepeat
    }
  }
  workgroupBarrier();
}

fn value_quad(quad: u32) -> vec4<f32> {
  return whole[PROJECTED * HEAD_VEC4S + quad];
}

// Its key and its value, for attention-combine.
fn leave_token(kv_head: u32, invocation: u32) {
  let at = (KV_HEADS * HEADS * SPLITS + kv_head * 2u) * HEAD_VEC4S + invocation;
  if (invocation < HEAD_VEC4S) {
    split_outputs[at] = narrow_quad(HEADS, invocation);
    split_outputs[at + HEAD_VEC4S] = value_quad(invocation);
  }
}

fn as_stored(quad: vec4<f32>) -> vec4<f32> {
  return unpack_stored(pack_stored(quad));
}

// The softmax of the first set over the token alone, which attends to itself as the caches will hold it.
fn token_softmax(query: array<Eight, HEADS>, invocation: u32) -> Softmax {
  let quad = invocation % LANES * 2u;
  let key = narrow_eight(HEADS, quad);
  let value = Eight(as_stored(value_quad(quad)), as_stored(value_quad(quad + 1u)));
  var sum = no_softmax();
//#repeat H HEADS
  var score_H = dot(query[H].a, as_stored(key.a)) + dot(query[H].b, as_stored(key.b));
//#endrepeat
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
//#repeat H HEADS
    score_H += subgroupShuffleXor(score_H, step);
//#endrepeat
  }
  if (invocation < LANES) {
//#repeat H HEADS
    sum.largest[H] = score_H;
    sum.total[H] = 1.0;
    sum.output[H] = value;
//#endrepeat
  }
  return sum;
}
