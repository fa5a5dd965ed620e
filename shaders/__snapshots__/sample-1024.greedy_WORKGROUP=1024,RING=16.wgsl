const WORKGROUP: u32 = 1024u;
const RING: u32 = 16u;
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

// Four neighbouring logits, and as many again for each turn: a constant number of turns, so that many loads are under way at once.
const QUADS: u32 = (params.vocabulary + 3u) / 4u;
const TURNS: u32 = (QUADS + WORKGROUP - 1u) / WORKGROUP;
// Less than any logit.
const NONE: f32 = -3.4e38;

// The scaled logits of a lane's quad in a turn; those past the vocabulary are NONE.
fn scaled_quad(lane: u32, turn: u32) -> vec4<f32> {
  let quad = turn * WORKGROUP + lane;
  let raw = logits[min(quad, QUADS - 1u)];
  var scaled = vec4<f32>(NONE);
  for (var i = 0u; i < 4u; i++) {
    let token = quad * 4u + i;
    if (token < params.vocabulary) {
      scaled[i] = scale_logit(raw[i], token);
    }
  }
  return scaled;
}

// The logit of a token after the repetition penalty (Keskar et al. 2019, arXiv 1909.05858, §4.1), over temperature.
fn scale_logit(raw: f32, token: u32) -> f32 {
  var logit = raw;
  if (sampler.repetition_penalty != 1.0 && was_seen(token)) {
    logit = select(logit * sampler.repetition_penalty, logit / sampler.repetition_penalty, logit > 0.0);
  }
  return logit;
}

// The token with the largest logit, the first of equals; its logit lands in scratch[0].
fn largest_token(lane: u32) -> u32 {
  var best = NONE;
  var best_token = 0u;
  for (var turn = 0u; turn < TURNS; turn++) {
    let scaled = scaled_quad(lane, turn);
    for (var i = 0u; i < 4u; i++) {
      if (scaled[i] > best) {
        best = scaled[i];
        best_token = (turn * WORKGROUP + lane) * 4u + i;
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


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  let token = largest_token(lane);
  if (lane == 0u) {
    seen[token / 32u] |= 1u << (token % 32u);
    state.tokens[0] = token;
    // The last RING sampled tokens, for the host.
    state.tokens[1u + state.step % RING] = token;
    state.position += state.rows;
    state.rows = 1u;
    state.step += 1u;
    state.continues = 1u;
  }
}
