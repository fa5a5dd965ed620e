const WORKGROUP: u32 = 16u;
struct Params {
  groups: u32,
  row_vec4s: u32,
  vocabulary: u32,
  first_token: u32,
  scale: f32,
}
const params = Params(16u, 20u, 61u, 0u, 1f);
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
// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, then scale and minimum (half) a group.

struct RawGroup {
  numbers: vec4<u32>,
  // Scale and minimum.
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_word(row_base * 4u + columns / 8u + group));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = unpack2x16float(raw.factors);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x), scale, offset), fma(high_nibbles(raw.numbers.x), scale, offset),
    fma(low_nibbles(raw.numbers.y), scale, offset), fma(high_nibbles(raw.numbers.y), scale, offset),
    fma(low_nibbles(raw.numbers.z), scale, offset), fma(high_nibbles(raw.numbers.z), scale, offset),
    fma(low_nibbles(raw.numbers.w), scale, offset), fma(high_nibbles(raw.numbers.w), scale, offset),
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
