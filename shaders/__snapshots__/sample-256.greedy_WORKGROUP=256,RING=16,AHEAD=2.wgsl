const WORKGROUP: u32 = 256u;
const RING: u32 = 16u;
const AHEAD: u32 = 2u;
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
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
// Chooses the next token from logits, stores it as the only token of the next pass and moves the position on.
// One workgroup. Order of the filters: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
//
// Filters need no sort: each keeps the logits from a threshold upwards, and the threshold is found two bits at a time on the
// order-preserving integer form of a float. Where top-k keeps few, these are sorted instead. Sums are taken in a fixed order, so that a seed
// repeats exactly.

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
    let quad_0 = (turn + 0u) * WORKGROUP + lane;
    let raw_0 = raw_quad(quad_0);
    let quad_1 = (turn + 1u) * WORKGROUP + lane;
    let raw_1 = raw_quad(quad_1);
    let scaled_0 = scaled_quad(raw_0, quad_0);
    let largest_0 = max(max(scaled_0.x, scaled_0.y), max(scaled_0.z, scaled_0.w));
    if (largest_0 > best) {
      best = largest_0;
      best_four = scaled_0;
      best_quad = quad_0;
    }
    let scaled_1 = scaled_quad(raw_1, quad_1);
    let largest_1 = max(max(scaled_1.x, scaled_1.y), max(scaled_1.z, scaled_1.w));
    if (largest_1 > best) {
      best = largest_1;
      best_four = scaled_1;
      best_quad = quad_1;
    }
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


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  // On their way while the token is chosen.
  let step = state.step;
  let next_position = state.position + state.rows;
  let token = largest_token(lane);
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
