// Attention of one token over a range of cached positions, for HEADS query heads that share a KV head. LANES neighbouring invocations,
// eight components each, take a key and its value together, so a subgroup reads whole rows and no score leaves the registers; every
// such set has a softmax of its own (maximum, sum, unnormalized output), and the sets are merged once, at the end.
// Formulas: FlashAttention-2, arXiv 2307.08691, §3.1.

//#import lib/cached-rows

const SETS: u32 = WORKGROUP / LANES;
const PARTIALS: u32 = WORKGROUP / SUBGROUP;
const HEAD_VEC4S: u32 = LANES * 2u;
const CACHED_PER_HEAD: u32 = HEAD_VEC4S;
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

// The softmax of a set over positions [first, end) of a KV head.
fn stream_keys(query: array<Eight, HEADS>, rows: CachedRows, first: u32, end: u32, invocation: u32) -> Softmax {
  let own_set = invocation / LANES;
  let quad = invocation % LANES * 2u;
  var sum: Softmax;
//#repeat H HEADS
  sum.largest[H] = -1.0e30;
//#endrepeat
  // UNROLL keys are under way at once. All written out: loops would move what they hold out of the registers.
  for (var block = first; block < end; block += SETS * UNROLL) {
//#repeat U UNROLL
    let key_U = block + U * SETS + own_set;
    let at_U = min(key_U, end - 1u);
//#if packed
    let cached_key_U = k_cache[key_at(rows, at_U, quad) / 2u];
    let cached_value_U = v_cache[value_at(rows, at_U, quad) / 2u];
    let scales_U = cached_scales(rows, at_U, quad);
    let keys_U = Eight(numbers_of(cached_key_U, 0u), numbers_of(cached_key_U, 1u));
    let values_U = Eight(numbers_of(cached_value_U, 0u), numbers_of(cached_value_U, 1u));
//#else
    let keys_U = Eight(unpack_stored(cached_key(rows, at_U, quad)), unpack_stored(cached_key(rows, at_U, quad + 1u)));
    let values_U = Eight(unpack_stored(cached_value(rows, at_U, quad)), unpack_stored(cached_value(rows, at_U, quad + 1u)));
//#endif
//#endrepeat
//#repeat H HEADS
    {
//#repeat U UNROLL
      var score_U = dot(query[H].a, keys_U.a) + dot(query[H].b, keys_U.b);
//#if packed
      score_U *= scales_U.x;
//#endif
      for (var step = LANES / 2u; step > 0u; step /= 2u) {
        score_U += subgroupShuffleXor(score_U, step);
      }
      score_U = select(-2.0e30, score_U, key_U < end);
//#endrepeat
      var largest = sum.largest[H];
//#repeat U UNROLL
      largest = max(largest, score_U);
//#endrepeat
      let rescale = exp2(sum.largest[H] - largest);
      sum.largest[H] = largest;
      sum.total[H] *= rescale;
      sum.output[H].a *= rescale;
      sum.output[H].b *= rescale;
//#repeat U UNROLL
      let probability_U = exp2(score_U - largest);
      sum.total[H] += probability_U;
//#if packed
      let weight_U = probability_U * scales_U.y;
//#else
      let weight_U = probability_U;
//#endif
      sum.output[H].a += weight_U * values_U.a;
      sum.output[H].b += weight_U * values_U.b;
//#endrepeat
    }
//#endrepeat
  }
  return sum;
}

// Merges the sets of each subgroup and leaves what they found in workgroup memory.
fn leave_partials(own: Softmax, invocation: u32) {
  var sum = own;
  for (var step = LANES; step < SUBGROUP; step *= 2u) {
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
