// Chooses the next token from logits, stores it as the only token of the next pass and moves the position on.
// One workgroup. Order of the filters: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
//
// Filters need no sort: each keeps the logits from a threshold upwards, and the threshold is found two bits at a time on the
// order-preserving integer form of a float. Where top-k keeps few, these are sorted instead. Sums are taken in a fixed order, so that a seed
// repeats exactly.
//#import lib/state

struct Sampler {
  temperature: f32,
  top_p: f32,
  // ln(minP), or a large negative number where it is off.
  min_p_log: f32,
  repetition_penalty: f32,
  // 0 keeps all.
  top_k: u32,
  seed: u32,
}

var<workgroup> scratch: array<f32, WORKGROUP>;
//#if !greedy
var<workgroup> scratch_sums: array<vec3<f32>, WORKGROUP>;
// So many that top-k keeps are few.
const FEW: u32 = 64u;
var<workgroup> group_keys: array<atomic<u32>, FEW>;
var<workgroup> found: atomic<u32>;
//#endif
var<workgroup> scratch_token: array<u32, WORKGROUP>;
var<workgroup> shared_value: f32;
var<workgroup> chosen: u32;

// Four neighbouring logits, and as many again for each turn.
const QUADS: u32 = (params.vocabulary + 3u) / 4u;
const TURNS: u32 = (QUADS + WORKGROUP - 1u) / WORKGROUP;
// Less than any logit.
const NONE: f32 = -3.4e38;

fn raw_quad(quad: u32) -> vec4<f32> {
  return logits[min(quad, QUADS - 1u)];
}

// Logits after the repetition penalty (Keskar et al. 2019, arXiv 1909.05858, §4.1), over temperature; those past the vocabulary are NONE.
fn scaled_quad(raw: vec4<f32>, quad: u32) -> vec4<f32> {
  var scaled = raw;
  if (sampler.repetition_penalty != 1.0) {
    let bits = seen[quad / 8u] >> (quad % 8u * 4u);
    let was_seen = (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>();
    let penalized = select(raw * sampler.repetition_penalty, raw / sampler.repetition_penalty, raw > vec4<f32>());
    scaled = select(raw, penalized, was_seen);
  }
//#if !greedy
  scaled /= sampler.temperature;
//#endif
  var is_token = vec4<bool>(quad < QUADS);
  if (params.vocabulary % 4u != 0u) {
    is_token = quad * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.vocabulary);
  }
  return select(vec4<f32>(NONE), scaled, is_token);
}

// The largest logit of a lane.
var<private> best: f32 = NONE;

// The token with the largest logit, the first of equals; its logit lands in scratch[0].
fn largest_token(lane: u32) -> u32 {
  var best_quad = 0u;
  var best_four: vec4<f32>;
  for (var turn = 0u; turn < TURNS; turn += AHEAD) {
    // All of them are on their way before the first one is looked at.
//#repeat T AHEAD
    let quad_T = (turn + T) * WORKGROUP + lane;
    let raw_T = raw_quad(quad_T);
//#endrepeat
//#repeat T AHEAD
    let scaled_T = scaled_quad(raw_T, quad_T);
    let largest_T = max(max(scaled_T.x, scaled_T.y), max(scaled_T.z, scaled_T.w));
    if (largest_T > best) {
      best = largest_T;
      best_four = scaled_T;
      best_quad = quad_T;
    }
//#endrepeat
  }
  let among = select(select(3u, 2u, best_four.z == best), 1u, best_four.y == best);
  scratch[lane] = best;
  scratch_token[lane] = best_quad * 4u + select(among, 0u, best_four.x == best);
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      let other = scratch[lane + step];
      let other_token = scratch_token[lane + step];
      if (other > scratch[lane] || (other == scratch[lane] && other_token < scratch_token[lane])) {
        scratch[lane] = other;
        scratch_token[lane] = other_token;
      }
    }
    workgroupBarrier();
  }
  return scratch_token[0];
}

//#if !greedy
// Floats in ascending order become unsigned integers in ascending order.
fn order_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

fn workgroup_sum(value: vec3<f32>, lane: u32) -> vec3<f32> {
  workgroupBarrier();
  scratch_sums[lane] = value;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      scratch_sums[lane] += scratch_sums[lane + step];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&scratch_sums[0]);
}

// Over a lane's tokens whose key is at least each of three thresholds: their numbers, or their masses relative to the largest.
fn lane_totals(lane: u32, thresholds: vec3<u32>, largest: f32, by_mass: bool) -> vec3<f32> {
  var totals = vec3<f32>();
  for (var turn = 0u; turn < TURNS; turn++) {
    let quad = turn * WORKGROUP + lane;
    let scaled = scaled_quad(raw_quad(quad), quad);
    for (var i = 0u; i < 4u; i++) {
      if (scaled[i] > NONE) {
        let weight = select(1.0, exp(scaled[i] - largest), by_mass);
        totals += select(vec3<f32>(), vec3<f32>(weight), vec3<u32>(order_key(scaled[i])) >= thresholds);
      }
    }
  }
  return totals;
}

// The largest threshold that still keeps `wanted` (a number or a mass) of the tokens at or above `floor`: two bits at a time.
fn find_threshold(lane: u32, floor: u32, largest: f32, wanted: f32, by_mass: bool) -> u32 {
  var threshold = 0u;
  for (var turn = 0u; turn < 16u; turn++) {
    let shift = 30u - 2u * turn;
    let candidates = vec3<u32>(threshold) | (vec3<u32>(1u, 2u, 3u) << vec3<u32>(shift));
    let totals = workgroup_sum(lane_totals(lane, max(candidates, vec3<u32>(floor)), largest, by_mass), lane);
    // Totals fall as thresholds rise: the candidates that keep enough come first.
    let kept = select(vec3<u32>(0u), vec3<u32>(1u), totals >= vec3<f32>(wanted));
    threshold |= (kept.x + kept.y + kept.z) << shift;
  }
  return max(threshold, floor);
}

// PCG output permutation (O'Neill 2014): one well-mixed word for a counter.
fn hash(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// In [0, 1), from 24 bits.
fn uniform_number() -> f32 {
  return f32(hash(sampler.seed ^ hash(state.step)) >> 8u) / 16777216.0;
}

fn draw(lane: u32, threshold: u32, largest: f32) -> u32 {
  let own = lane_totals(lane, vec3<u32>(threshold), largest, true).x;
  let mass = workgroup_sum(vec3<f32>(own), lane).x;
  scratch[lane] = own;
  if (lane == 0u) {
    chosen = 0u;
  }
  workgroupBarrier();
  let target_mass = uniform_number() * mass;
  var before = 0.0;
  for (var i = 0u; i < lane; i++) {
    before += scratch[i];
  }
  // Exactly one lane owns the target; rounding at the very end falls to the last lane with any mass.
  let after = before + own;
  var mass_behind = 0.0;
  for (var i = lane + 1u; i < WORKGROUP; i++) {
    mass_behind += scratch[i];
  }
  if (own > 0.0 && target_mass >= before && (target_mass < after || mass_behind == 0.0)) {
    chosen = pick(lane, threshold, largest, target_mass - before);
  }
  return workgroupUniformLoad(&chosen);
}

// The token of a lane at which the mass of those before it passes `target_mass`.
fn pick(lane: u32, threshold: u32, largest: f32, target_mass: f32) -> u32 {
  var passed = 0.0;
  var last = 0u;
  for (var turn = 0u; turn < TURNS; turn++) {
    let quad = turn * WORKGROUP + lane;
    let scaled = scaled_quad(raw_quad(quad), quad);
    for (var i = 0u; i < 4u; i++) {
      if (scaled[i] == NONE || order_key(scaled[i]) < threshold || passed > target_mass) {
        continue;
      }
      last = quad * 4u + i;
      passed += exp(scaled[i] - largest);
    }
  }
  return last;
}

// Logits and tokens that are at least as large as the smallest of the largest logits of top_k groups of lanes, so of top_k tokens or more, are
// left in scratch. Their number, which may be too large for that.
fn find_few(lane: u32) -> u32 {
  if (lane < FEW) {
    atomicStore(&group_keys[lane], 0u);
    atomicStore(&found, 0u);
  }
  workgroupBarrier();
  atomicMax(&group_keys[lane % sampler.top_k], order_key(best));
  workgroupBarrier();
  var least = atomicLoad(&group_keys[0]);
  for (var i = 1u; i < sampler.top_k; i++) {
    least = min(least, atomicLoad(&group_keys[i]));
  }
  if (order_key(best) >= least) {
    for (var turn = 0u; turn < TURNS; turn++) {
      let quad = turn * WORKGROUP + lane;
      let scaled = scaled_quad(raw_quad(quad), quad);
      for (var i = 0u; i < 4u; i++) {
        if (scaled[i] > NONE && order_key(scaled[i]) >= least) {
          let at = atomicAdd(&found, 1u);
          if (at < WORKGROUP) {
            scratch[at] = scaled[i];
            scratch_token[at] = quad * 4u + i;
          }
        }
      }
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    chosen = atomicLoad(&found);
  }
  return workgroupUniformLoad(&chosen);
}

// So many of scratch, by falling logits, into scratch_sums: logit, token, and mass relative to the largest.
fn sort_few(lane: u32, count: u32, largest: f32) {
  let logit = scratch[lane];
  let token = scratch_token[lane];
  var rank = 0u;
  for (var i = 0u; i < count; i++) {
    let other = scratch[i];
    let is_before = (other > logit) | ((other == logit) & (scratch_token[i] < token));
    rank += select(0u, 1u, is_before);
  }
  if (lane < count) {
    scratch_sums[rank] = vec3<f32>(logit, f32(token), exp(logit - largest));
  }
  workgroupBarrier();
}

// All filters and the draw, by one invocation. Equals of the last one that a filter keeps are kept.
fn draw_of_few(count: u32, largest: f32) -> u32 {
  let least = scratch_sums[sampler.top_k - 1u].x;
  var total = 0.0;
  for (var i = 0u; i < count && scratch_sums[i].x >= least; i++) {
    total += scratch_sums[i].z;
  }
  var mass = 0.0;
  var kept = 0u;
  var last = largest;
  for (; kept < count; kept++) {
    let one = scratch_sums[kept];
    let is_enough = sampler.top_p < 1.0 && mass >= sampler.top_p * total && one.x < last;
    if (one.x < least || one.x < largest + sampler.min_p_log || is_enough) {
      break;
    }
    mass += one.z;
    last = one.x;
  }
  let target_mass = uniform_number() * mass;
  var passed = 0.0;
  var drawn = 0u;
  for (; drawn + 1u < kept; drawn++) {
    passed += scratch_sums[drawn].z;
    if (passed > target_mass) {
      break;
    }
  }
  return u32(scratch_sums[drawn].y);
}

fn sample_token(lane: u32) -> u32 {
  largest_token(lane);
  if (lane == 0u) {
    shared_value = scratch[0];
  }
  let largest = workgroupUniformLoad(&shared_value);
  if (sampler.top_k > 0u && sampler.top_k <= min(FEW, params.vocabulary)) {
    let count = find_few(lane);
    if (count <= WORKGROUP) {
      sort_few(lane, count, largest);
      if (lane == 0u) {
        chosen = draw_of_few(count, largest);
      }
      return workgroupUniformLoad(&chosen);
    }
  }
  var threshold = 0u;
  if (sampler.top_k > 0u && sampler.top_k < params.vocabulary) {
    threshold = find_threshold(lane, 0u, largest, f32(sampler.top_k), false);
  }
  if (sampler.top_p < 1.0) {
    let mass = workgroup_sum(lane_totals(lane, vec3<u32>(threshold), largest, true), lane).x;
    threshold = find_threshold(lane, threshold, largest, sampler.top_p * mass, true);
  }
  threshold = max(threshold, order_key(largest + sampler.min_p_log));
  return draw(lane, threshold, largest);
}
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  // On their way while the token is chosen.
  let step = state.step;
  let next_position = state.position + state.rows;
//#if greedy
  let token = largest_token(lane);
//#else
  let token = sample_token(lane);
//#endif
  if (lane == 0u) {
    seen[token / 32u] |= 1u << (token % 32u);
    state.tokens[0] = token;
    // The last RING sampled tokens, for the host.
    state.tokens[1u + step % RING] = token;
    state.position = next_position;
    state.rows = 1u;
    state.step = step + 1u;
    state.continues = 1u;
  }
}
