// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// half_keys, half_values: no head of the layer keeps more than half of them, so each half of a set's lanes takes all of its own.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.

//#import lib/cached-rows

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
//#repeat H HEADS
  none.largest[H] = -1.0e30;
//#endrepeat
  return none;
}

// Eight components as they are cached.
//#if eights
alias CachedEight = Cached;

// Packed ones want their scale.
fn eight_of(cached: CachedEight) -> Eight {
//#if packed
  return Eight(numbers_of(cached, 0u), numbers_of(cached, 1u));
//#else
  return Eight(unpack_stored(cached.xy), unpack_stored(cached.zw));
//#endif
}

fn key_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return k_cache[key_at(rows, position, lane)];
}

fn value_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return v_cache[value_at(rows, position, lane)];
}
//#else
struct CachedEight {
  a: Stored,
  b: Stored,
}

fn eight_of(cached: CachedEight) -> Eight {
  return Eight(unpack_stored(cached.a), unpack_stored(cached.b));
}

fn key_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return CachedEight(cached_key(rows, position, 2u * lane), cached_key(rows, position, 2u * lane + 1u));
}

fn value_eight(rows: CachedRows, position: u32, lane: u32) -> CachedEight {
  return CachedEight(cached_value(rows, position, 2u * lane), cached_value(rows, position, 2u * lane + 1u));
}
//#endif

// Which eight components of a key an invocation takes, and of a value.
fn key_lane(invocation: u32) -> u32 {
//#if half_keys
  return invocation % (LANES / 2u);
//#else
  return invocation % LANES;
//#endif
}

fn value_lane(invocation: u32) -> u32 {
//#if half_values
  return invocation % (LANES / 2u);
//#else
  return invocation % LANES;
//#endif
}

// The keys and values that a set takes at once: PAIRS pairs, each of its halves one as its own.
struct Fetched {
//#repeat P PAIRS
  own_key_P: CachedEight,
  own_value_P: CachedEight,
//#if !half_keys
  other_key_P: CachedEight,
//#endif
//#if !half_values
  other_value_P: CachedEight,
//#endif
//#endrepeat
}

// Positions of a pair, own and other, of those that are taken from `block` on.
fn pair_at(block: u32, pair: u32, invocation: u32) -> vec2<u32> {
  let half = invocation % LANES / (LANES / 2u);
  return block + vec2<u32>(2u * pair + half, 2u * pair + 1u - half) * SETS + invocation / LANES;
}

fn fetch(rows: CachedRows, block: u32, end: u32, invocation: u32) -> Fetched {
  var fetched: Fetched;
//#repeat P PAIRS
  let at_P = min(pair_at(block, P, invocation), vec2<u32>(end - 1u));
  fetched.own_key_P = key_eight(rows, at_P.x, key_lane(invocation));
//#if !half_keys
  fetched.other_key_P = key_eight(rows, at_P.y, key_lane(invocation));
//#endif
  fetched.own_value_P = value_eight(rows, at_P.x, value_lane(invocation));
//#if !half_values
  fetched.other_value_P = value_eight(rows, at_P.y, value_lane(invocation));
//#endif
//#endrepeat
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
//#if parts
  start: Fetched,
//#endif
) -> Softmax {
  let lane = invocation % LANES;
  var sum = no_softmax();
//#if parts
  var next = start;
//#else
//#if ahead
  var next = fetch(rows, first, end, invocation);
//#endif
//#endif
  for (var block = first; block < end; block += TURN_KEYS) {
//#if ahead
    let fetched = next;
    if (block + TURN_KEYS < end) {
      next = fetch(rows, block + TURN_KEYS, end, invocation);
    }
//#else
//#if parts
    if (block > first) {
      next = fetch(rows, block, end, invocation);
    }
    let fetched = next;
//#else
    let fetched = fetch(rows, block, end, invocation);
//#endif
//#endif
//#repeat P PAIRS
    let at_P = pair_at(block, P, invocation);
    let own_key_P = eight_of(fetched.own_key_P);
    let own_value_P = eight_of(fetched.own_value_P);
//#if !half_keys
    let other_key_P = eight_of(fetched.other_key_P);
//#endif
//#if !half_values
    let other_value_P = eight_of(fetched.other_value_P);
//#endif
//#if packed
    let own_scales_P = cached_scales(rows, min(at_P.x, end - 1u), lane);
    let other_scales_P = cached_scales(rows, min(at_P.y, end - 1u), lane);
//#endif
//#endrepeat
    // Weights of all heads are made before values are touched.
//#repeat H HEADS
    var largest_H = sum.largest[H];
//#repeat P PAIRS
    var own_P_H = dot(query[H].a, own_key_P.a) + dot(query[H].b, own_key_P.b);
//#if !half_keys
    var other_P_H = dot(query[H].a, other_key_P.a) + dot(query[H].b, other_key_P.b);
//#if packed
    own_P_H *= own_scales_P.x;
    other_P_H *= other_scales_P.x;
//#endif
    own_P_H += subgroupShuffleXor(other_P_H, LANES / 2u);
//#endif
    for (var i = 0u; i < HALF_STEPS; i++) {
      own_P_H += subgroupShuffleXor(own_P_H, (LANES / 4u) >> i);
    }
//#if half_keys
    var other_P_H = subgroupShuffleXor(own_P_H, LANES / 2u);
//#else
    other_P_H = subgroupShuffleXor(own_P_H, LANES / 2u);
//#endif
    other_P_H = select(-2.0e30, other_P_H, at_P.y < end);
    own_P_H = select(-2.0e30, own_P_H, at_P.x < end);
    largest_H = max(largest_H, max(own_P_H, other_P_H));
//#endrepeat
    let rescale_H = exp2(sum.largest[H] - largest_H);
    sum.largest[H] = largest_H;
    sum.total[H] *= rescale_H;
    sum.output[H].a *= rescale_H;
    sum.output[H].b *= rescale_H;
//#repeat P PAIRS
    own_P_H = exp2(own_P_H - largest_H);
    other_P_H = exp2(other_P_H - largest_H);
    sum.total[H] += own_P_H + other_P_H;
//#if packed
    own_P_H *= own_scales_P.y;
    other_P_H *= other_scales_P.y;
//#endif
//#endrepeat
//#endrepeat
//#repeat P PAIRS
//#repeat H HEADS
//#if half_values
    sum.output[H].a += own_P_H * own_value_P.a;
    sum.output[H].b += own_P_H * own_value_P.b;
//#else
    sum.output[H].a += own_P_H * own_value_P.a + other_P_H * other_value_P.a;
    sum.output[H].b += own_P_H * own_value_P.b + other_P_H * other_value_P.b;
//#endif
//#endrepeat
//#endrepeat
  }
  return sum;
}

// Merges the sets of each subgroup and leaves what they found in workgroup memory.
fn leave_partials(own: Softmax, invocation: u32) {
  var sum = own;
//#if half_values
  // Both halves weigh alike.
//#repeat H HEADS
  sum.output[H].a += subgroupShuffleXor(sum.output[H].a, LANES / 2u);
  sum.output[H].b += subgroupShuffleXor(sum.output[H].b, LANES / 2u);
//#endrepeat
//#endif
  for (var i = 0u; i < MERGE_STEPS; i++) {
    let step = LANES << i;
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
