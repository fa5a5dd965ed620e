const WORKGROUP: u32 = 16u;
struct Params {
  groups: u32,
  row_vec4s: u32,
  vocabulary: u32,
  first_token: u32,
  scale: f32,
}
const params = Params(16u, 11u, 61u, 0u, 1f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
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
// Numbers out of the words that src/quant/pack.ts makes.

// Eight 4-bit numbers of a word: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j.
fn low_nibbles(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 16u, 4u, 20u)) & vec4<u32>(15u));
}

fn high_nibbles(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(8u, 24u, 12u, 28u)) & vec4<u32>(15u));
}

// Four neighbouring 2-bit numbers from element `first` of a word on.
fn pairs_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (2u * first)) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u));
}

// Four neighbouring bits from element `first` of a word on.
fn bits_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> first) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
}

// The n-th byte of a word, signed.
fn signed_byte(word: u32, n: u32) -> f32 {
  return f32(bitcast<i32>(word << (24u - 8u * n)) >> 24u);
}

// The word at this index of the row's words.
fn weight_word(at: u32) -> u32 {
  return weights[at >> 2u][at & 3u];
}

// The half-precision number at this index of the row's half words.
fn weight_half(row_base: u32, at: u32) -> f32 {
  let both = unpack2x16float(weight_word(row_base * 4u + (at >> 1u)));
  return select(both.x, both.y, (at & 1u) == 1u);
}
// weight = factor · scale · q − minimum factor · minimum, 256 weights a super-block, scale and minimum for every 16. Planes of a
// row: 8 bytes of pairs a group, 16 bytes of 4-bit scale and minimum a super-block, the two half-precision factors.

struct RawGroup {
  first: u32,
  second: u32,
  scales: u32,
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  return RawGroup(
    weight_word(words + group * 2u),
    weight_word(words + group * 2u + 1u),
    // Two bytes a group.
    weight_word(words + columns / 16u + group / 2u) >> (16u * (group & 1u)),
    weight_word(words + columns / 16u + columns / 64u + group / 8u),
  );
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = unpack2x16float(raw.factors);
  let a = factors.x * f32(raw.scales & 15u);
  let a_minimum = factors.y * f32((raw.scales >> 4u) & 15u);
  let b = factors.x * f32((raw.scales >> 8u) & 15u);
  let b_minimum = factors.y * f32((raw.scales >> 12u) & 15u);
  return array<vec4<f32>, 8>(
    pairs_at(raw.first, 0u) * a - a_minimum, pairs_at(raw.first, 4u) * a - a_minimum,
    pairs_at(raw.first, 8u) * a - a_minimum, pairs_at(raw.first, 12u) * a - a_minimum,
    pairs_at(raw.second, 0u) * b - b_minimum, pairs_at(raw.second, 4u) * b - b_minimum,
    pairs_at(raw.second, 8u) * b - b_minimum, pairs_at(raw.second, 12u) * b - b_minimum,
  );
}
// y[row] = weights[token of row] · scale, decoded from its storage format. An invocation makes a group of 32.
// part: the matrix begins with token `first_token`, and rows of tokens that are not in it are left as they are.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let group = id.x;
  let row = id.z;
  if (group >= params.groups || row >= state.rows) {
    return;
  }
  let token = min(state.tokens[row], params.vocabulary - 1u);
  let values = decode(load_raw(token * params.row_vec4s, group, params.groups * 32u));
  let at = (row * params.groups + group) * 8u;
  for (var i = 0u; i < 8u; i++) {
    y[at + i] = values[i] * params.scale;
  }
}
