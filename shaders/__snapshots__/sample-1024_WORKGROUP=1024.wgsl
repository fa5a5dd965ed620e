const WORKGROUP: u32 = 1024u;
struct Params {
  vocabulary: u32,
}
const params = Params(1021u);
@group(0) @binding(0) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> state: State;
@group(0) @binding(2) var<storage, read_write> seen: array<u32>;
@group(0) @binding(3) var<uniform> sampler: Sampler;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  padding: u32,
  tokens: array<u32>,
}
// Chooses the next token from logits, stores it as the only token of the next pass and moves the position on.
// One workgroup. Order of the filters: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
//
// Filters need no sort: each keeps the logits from a threshold upwards, and the threshold is found bit by bit on the
// order-preserving integer form of a float. Sums are taken in a fixed order, so that a seed repeats exactly.

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
var<workgroup> scratch_token: array<u32, WORKGROUP>;
var<workgroup> shared_value: f32;
var<workgroup> chosen: u32;

fn was_seen(token: u32) -> bool {
  return ((seen[token / 32u] >> (token % 32u)) & 1u) == 1u;
}

// The logit of a token after the repetition penalty (Keskar et al. 2019, arXiv 1909.05858, §4.1), over temperature.
fn scaled_logit(token: u32) -> f32 {
  return scale_logit(logits[token / 4u][token % 4u], token);
}

fn scale_logit(raw: f32, token: u32) -> f32 {
  var logit = raw;
  if (sampler.repetition_penalty != 1.0 && was_seen(token)) {
    logit = select(logit * sampler.repetition_penalty, logit / sampler.repetition_penalty, logit > 0.0);
  }
  logit /= sampler.temperature;
  return logit;
}

// The token with the largest logit, the first of equals; its logit lands in scratch[0].
fn largest_token(lane: u32) -> u32 {
  var best = -3.4e38;
  var best_token = 0u;
  for (var quad = lane; quad < (params.vocabulary + 3u) / 4u; quad += WORKGROUP) {
    let raw = logits[quad];
    for (var i = 0u; i < 4u; i++) {
      let token = quad * 4u + i;
      let logit = scale_logit(raw[i], token);
      if (logit > best && token < params.vocabulary) {
        best = logit;
        best_token = token;
      }
    }
  }
  scratch[lane] = best;
  scratch_token[lane] = best_token;
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

// Tokens of a lane: [lane · span, (lane + 1) · span).
fn span() -> u32 {
  return (params.vocabulary + WORKGROUP - 1u) / WORKGROUP;
}

// Floats in ascending order become unsigned integers in ascending order.
fn order_key(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

fn workgroup_sum(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  scratch[lane] = value;
  workgroupBarrier();
  for (var step = WORKGROUP / 2u; step > 0u; step /= 2u) {
    if (lane < step) {
      scratch[lane] += scratch[lane + step];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    shared_value = scratch[0];
  }
  return workgroupUniformLoad(&shared_value);
}

// Over the tokens whose key is at least `threshold`: their number, or their mass relative to the largest.
fn lane_total(lane: u32, threshold: u32, largest: f32, by_mass: bool) -> f32 {
  var total = 0.0;
  let end = min((lane + 1u) * span(), params.vocabulary);
  for (var token = lane * span(); token < end; token++) {
    let logit = scaled_logit(token);
    if (order_key(logit) >= threshold) {
      total += select(1.0, exp(logit - largest), by_mass);
    }
  }
  return total;
}

// The largest threshold that still keeps `wanted` (a number or a mass) of the tokens at or above `floor`.
fn find_threshold(lane: u32, floor: u32, largest: f32, wanted: f32, by_mass: bool) -> u32 {
  var threshold = 0u;
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    let candidate = threshold | bit;
    if (workgroup_sum(lane_total(lane, max(candidate, floor), largest, by_mass), lane) >= wanted) {
      threshold = candidate;
    }
  }
  return max(threshold, floor);
}

// PCG output permutation (O'Neill 2014): one well-mixed word for a counter.
fn hash(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

fn draw(lane: u32, threshold: u32, largest: f32) -> u32 {
  let own = lane_total(lane, threshold, largest, true);
  let mass = workgroup_sum(own, lane);
  scratch[lane] = own;
  if (lane == 0u) {
    chosen = 0u;
  }
  workgroupBarrier();
  // In [0, 1), from 24 bits.
  let uniform_number = f32(hash(sampler.seed ^ hash(state.step)) >> 8u) / 16777216.0;
  let target_mass = uniform_number * mass;
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
    chosen = pick_in_span(lane, threshold, largest, target_mass - before);
  }
  return workgroupUniformLoad(&chosen);
}

fn pick_in_span(lane: u32, threshold: u32, largest: f32, target_mass: f32) -> u32 {
  var passed = 0.0;
  var last = 0u;
  let end = min((lane + 1u) * span(), params.vocabulary);
  for (var token = lane * span(); token < end; token++) {
    let logit = scaled_logit(token);
    if (order_key(logit) < threshold) {
      continue;
    }
    last = token;
    passed += exp(logit - largest);
    if (passed > target_mass) {
      break;
    }
  }
  return last;
}

fn sample_token(lane: u32) -> u32 {
  largest_token(lane);
  if (lane == 0u) {
    shared_value = scratch[0];
  }
  let largest = workgroupUniformLoad(&shared_value);
  var threshold = 0u;
  if (sampler.top_k > 0u && sampler.top_k < params.vocabulary) {
    threshold = find_threshold(lane, 0u, largest, f32(sampler.top_k), false);
  }
  if (sampler.top_p < 1.0) {
    let mass = workgroup_sum(lane_total(lane, threshold, largest, true), lane);
    threshold = find_threshold(lane, threshold, largest, sampler.top_p * mass, true);
  }
  threshold = max(threshold, order_key(largest + sampler.min_p_log));
  return draw(lane, threshold, largest);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  let token = sample_token(lane);
  if (lane == 0u) {
    seen[token / 32u] |= 1u << (token % 32u);
    state.tokens[0] = token;
    state.position += state.rows;
    state.rows = 1u;
    state.step += 1u;
  }
}
