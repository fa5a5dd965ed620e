// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// ragged: where a head's keys fill no more than half of a set, its halves take a key each, and values too where they do as keys.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.

//#import lib/cached-rows

const SETS: u32 = WORKGROUP / LANES;
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

// Lanes that share a key.
fn key_lanes(rows: CachedRows) -> u32 {
  return select(LANES, LANES / 2u, key_width(rows) <= CACHED_PER_HEAD / 2u);
}

// Lanes that share a value, and a softmax.
fn value_lanes(rows: CachedRows) -> u32 {
  return select(LANES, key_lanes(rows), value_width(rows) <= CACHED_PER_HEAD / 2u);
}

// The first of the two quads of a head that an invocation holds of its queries and keys.
fn key_quad(rows: CachedRows, invocation: u32) -> u32 {
  return invocation % key_lanes(rows) * 2u;
}

fn no_softmax() -> Softmax {
  var none: Softmax;
//#repeat H HEADS
  none.largest[H] = -1.0e30;
//#endrepeat
  return none;
}

// Eight components as they are stored; packed ones want their scale.
//#if eights
alias StoredEight = Cached;

fn stored_key(rows: CachedRows, position: u32, quad: u32) -> StoredEight {
  return k_cache[key_at(rows, position, quad / 2u)];
}

fn stored_value(rows: CachedRows, position: u32, quad: u32) -> StoredEight {
  return v_cache[value_at(rows, position, quad / 2u)];
}

fn eight_of(stored: StoredEight) -> Eight {
//#if packed
  return Eight(numbers_of(stored, 0u), numbers_of(stored, 1u));
//#else
  return Eight(unpack_stored(stored.xy), unpack_stored(stored.zw));
//#endif
}
//#else
alias StoredEight = array<Stored, 2>;

fn stored_key(rows: CachedRows, position: u32, quad: u32) -> StoredEight {
  return StoredEight(cached_key(rows, position, quad), cached_key(rows, position, quad + 1u));
}

fn stored_value(rows: CachedRows, position: u32, quad: u32) -> StoredEight {
  return StoredEight(cached_value(rows, position, quad), cached_value(rows, position, quad + 1u));
}

fn eight_of(stored: StoredEight) -> Eight {
  return Eight(unpack_stored(stored[0]), unpack_stored(stored[1]));
}
//#endif

//#if !projects
alias Asked = array<Eight, HEADS>;
//#endif

// The softmax of a set over positions [first, end) of a KV head. projects: queries are made while the first keys are on their way.
fn stream_keys(asked: Asked, rows: CachedRows, first: u32, end: u32, invocation: u32) -> Softmax {
//#if ragged
  if (value_lanes(rows) < LANES) {
    return stream_pairs_2(asked, rows, first, end, invocation);
  }
  if (key_lanes(rows) < LANES) {
    return stream_pairs_1(asked, rows, first, end, invocation);
  }
//#endif
  return stream_pairs_0(asked, rows, first, end, invocation);
}

// A set takes pairs of keys, PAIRS_M of them under way at once, each of its halves one as its own. Where M = 0 both halves hold components of
// both; where M = 1 a half holds its own key whole; where M = 2 the value of that key too, and attends to nothing else.
// All written out: loops would move what they hold out of the registers.
//#repeat M PAIR_KINDS
fn stream_pairs_M(asked: Asked, rows: CachedRows, first: u32, end: u32, invocation: u32) -> Softmax {
  let own_set = invocation / LANES;
  let half = invocation % LANES / (LANES / 2u);
  let quad = key_quad(rows, invocation);
  let quad_of_values = invocation % value_lanes(rows) * 2u;
  var sum = no_softmax();
//#if projects
  var query: array<Eight, HEADS>;
  let last = max(end, first + 1u);
//#else
  let query = asked;
  let last = end;
//#endif
  for (var block = first; block < last; block += 2u * SETS * PAIRS_M) {
//#repeat P PAIRS_M
    let own_P = block + (2u * P + half) * SETS + own_set;
    let other_P = block + (2u * P + 1u - half) * SETS + own_set;
    let own_at_P = min(own_P, end - 1u);
    let other_at_P = min(other_P, end - 1u);
    let stored_key_P = stored_key(rows, own_at_P, quad);
    let stored_other_key_P = stored_key(rows, other_at_P, quad);
    let stored_value_P = stored_value(rows, own_at_P, quad_of_values);
    let stored_other_value_P = stored_value(rows, other_at_P, quad_of_values);
//#if packed
    let key_scale_P = cached_scales(rows, own_at_P, quad / 2u).x;
    let other_key_scale_P = cached_scales(rows, other_at_P, quad / 2u).x;
    let value_scale_P = cached_scales(rows, own_at_P, quad_of_values / 2u).y;
    let other_value_scale_P = cached_scales(rows, other_at_P, quad_of_values / 2u).y;
//#endif
//#endrepeat
//#if projects
    if (block == first) {
      query = projected_queries(asked, rows, invocation);
      sum = token_softmax(asked, query, rows, invocation);
    }
//#endif
//#repeat P PAIRS_M
    let key_P = eight_of(stored_key_P);
    let other_key_P = eight_of(stored_other_key_P);
//#endrepeat
//#repeat H HEADS
    var largest_H = sum.largest[H];
//#repeat P PAIRS_M
    var weight_P_H = dot(query[H].a, key_P.a) + dot(query[H].b, key_P.b);
//#if packed
    weight_P_H *= key_scale_P;
//#endif
    if (M == 0u) {
      var other_part = dot(query[H].a, other_key_P.a) + dot(query[H].b, other_key_P.b);
//#if packed
      other_part *= other_key_scale_P;
//#endif
      weight_P_H += subgroupShuffleXor(other_part, LANES / 2u);
    }
    for (var step = LANES / 4u; step > 0u; step /= 2u) {
      weight_P_H += subgroupShuffleXor(weight_P_H, step);
    }
    var other_weight_P_H = -2.0e30;
    if (M < 2u) {
      other_weight_P_H = select(-2.0e30, subgroupShuffleXor(weight_P_H, LANES / 2u), other_P < end);
    }
    weight_P_H = select(-2.0e30, weight_P_H, own_P < end);
    largest_H = max(largest_H, max(weight_P_H, other_weight_P_H));
//#endrepeat
    let rescale_H = exp2(sum.largest[H] - largest_H);
    sum.largest[H] = largest_H;
    sum.total[H] *= rescale_H;
    sum.output[H].a *= rescale_H;
    sum.output[H].b *= rescale_H;
//#repeat P PAIRS_M
    weight_P_H = exp2(weight_P_H - largest_H);
    sum.total[H] += weight_P_H;
    if (M < 2u) {
      other_weight_P_H = exp2(other_weight_P_H - largest_H);
      sum.total[H] += other_weight_P_H;
    }
//#if packed
    weight_P_H *= value_scale_P;
    other_weight_P_H *= other_value_scale_P;
//#endif
//#endrepeat
//#endrepeat
//#repeat P PAIRS_M
    let value_P = eight_of(stored_value_P);
    let other_value_P = eight_of(stored_other_value_P);
//#repeat H HEADS
    sum.output[H].a += weight_P_H * value_P.a;
    sum.output[H].b += weight_P_H * value_P.b;
//#endrepeat
    if (M < 2u) {
//#repeat H HEADS
      sum.output[H].a += other_weight_P_H * other_value_P.a;
      sum.output[H].b += other_weight_P_H * other_value_P.b;
//#endrepeat
    }
//#endrepeat
  }
  return sum;
}
//#endrepeat

// Merges what shares no softmax yet in each subgroup, and leaves it in workgroup memory.
fn leave_partials(own: Softmax, rows: CachedRows, invocation: u32) {
  var sum = own;
  for (var step = value_lanes(rows); step < SUBGROUP; step *= 2u) {
//#repeat H HEADS
    let largest_H = max(sum.largest[H], subgroupShuffleXor(sum.largest[H], step));
    let rescale_H = exp2(sum.largest[H] - largest_H);
    sum.largest[H] = largest_H;
    sum.total[H] *= rescale_H;
    sum.total[H] += subgroupShuffleXor(sum.total[H], step);
    let a_H = sum.output[H].a * rescale_H;
    let b_H = sum.output[H].b * rescale_H;
    sum.output[H].a = a_H + subgroupShuffleXor(a_H, step);
    sum.output[H].b = b_H + subgroupShuffleXor(b_H, step);
//#endrepeat
  }
  let lane = invocation % SUBGROUP;
  let first = invocation / SUBGROUP * HEADS;
  if (lane < LANES) {
//#repeat H HEADS
    partial_outputs[(first + H) * HEAD_VEC4S + lane * 2u] = sum.output[H].a;
    partial_outputs[(first + H) * HEAD_VEC4S + lane * 2u + 1u] = sum.output[H].b;
    partial_scales[first + H] = vec2<f32>(sum.largest[H], sum.total[H]);
//#endrepeat
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
