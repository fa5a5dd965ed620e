const WORKGROUP: u32 = 16u;
const TOKENS: u32 = 8u;
struct Params {
  rows: u32,
  groups: u32,
  row_vec4s: u32,
  y_stride: u32,
  y_offset: u32,
}
const params = Params(40u, 8u, 14u, 40u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<X>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// Numbers out of words.

// Eight 4-bit numbers of a word, less `bias`: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j. A number n at bits p to p + 3 of the
// mantissa of 2^(23 - p) makes 2^(23 - p) + n, so that no conversion is needed, and a shift only for bits that the mantissa has no room for.
fn low_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let bits = vec4<u32>(word, word, word, word >> 12u) & vec4<u32>(0xfu, 0xf0000u, 0xf0u, 0xf00u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u, 0x43000000u, 0x49000000u, 0x47000000u))
    - (vec4<f32>(8388608.0, 128.0, 524288.0, 32768.0) + bias);
}

fn high_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let upper = word >> 12u;
  let bits = vec4<u32>(word, upper, word, upper) & vec4<u32>(0xf00u, 0xf000u, 0xf000u, 0xf0000u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x47000000u, 0x45000000u, 0x45000000u, 0x43000000u))
    - (vec4<f32>(32768.0, 2048.0, 2048.0, 128.0) + bias);
}

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
// Numbers out of the words that src/quant/pack.ts makes.


fn low_nibbles(word: u32) -> vec4<f32> {
  return low_nibbles_less(word, 0.0);
}

fn high_nibbles(word: u32) -> vec4<f32> {
  return high_nibbles_less(word, 0.0);
}

// Four neighbouring 2-bit numbers from element `first` (of sixteen) of a word on.
fn pairs_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (first / 8u * 4u + first % 8u * 2u)) >> vec4<u32>(0u, 16u, 2u, 18u)) & vec4<u32>(3u));
}

// Four neighbouring bits from element `first` (of 32) of a word on.
fn bits_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (first / 8u * 2u + first % 8u * 2u)) >> vec4<u32>(0u, 16u, 1u, 17u)) & vec4<u32>(1u));
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
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// A group of 32 weights whose halves have scales of their own. Where they are multiplied as they are, they are decoded first; as bytes, each
// half's scale comes in once, behind its sum.
// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes of low nibbles
// a group, 8 bytes of high pairs a group, 16 signed scales a super-block, a half-precision factor a super-block.

struct RawGroup {
  numbers: vec4<u32>,
  first: u32,
  second: u32,
  scales: u32,
  factor: f32,
  // First of the two scales of the group within their word.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let words = row_base * 4u;
  let pairs = words + columns / 8u + group * 2u;
  return RawGroup(
    weights[row_base + group],
    weight_word(pairs),
    weight_word(pairs + 1u),
    // Sixteen signed bytes a super-block of eight groups: two a group.
    weight_word(words + columns / 8u + columns / 16u + group / 2u),
    weight_half(row_base, columns / 4u + columns / 8u + columns / 32u + group / 8u),
    (group & 1u) * 2u,
  );
}

fn scales_of(raw: RawGroup) -> vec2<f32> {
  return raw.factor * vec2<f32>(signed_byte(raw.scales, raw.at), signed_byte(raw.scales, raw.at + 1u));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let scales = scales_of(raw);
  let a = scales.x;
  let b = scales.y;
  return array<vec4<f32>, 8>(
    (low_nibbles(raw.numbers.x) + 16.0 * pairs_at(raw.first, 0u) - 32.0) * a,
    (high_nibbles(raw.numbers.x) + 16.0 * pairs_at(raw.first, 4u) - 32.0) * a,
    (low_nibbles(raw.numbers.y) + 16.0 * pairs_at(raw.first, 8u) - 32.0) * a,
    (high_nibbles(raw.numbers.y) + 16.0 * pairs_at(raw.first, 12u) - 32.0) * a,
    (low_nibbles(raw.numbers.z) + 16.0 * pairs_at(raw.second, 0u) - 32.0) * b,
    (high_nibbles(raw.numbers.z) + 16.0 * pairs_at(raw.second, 4u) - 32.0) * b,
    (low_nibbles(raw.numbers.w) + 16.0 * pairs_at(raw.second, 8u) - 32.0) * b,
    (high_nibbles(raw.numbers.w) + 16.0 * pairs_at(raw.second, 12u) - 32.0) * b,
  );
}
// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes a square of tokens × rows, EACH × EACH an invocation; both tiles of a group of 32 columns lie in
//         workgroup memory, the next ones are on their way.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.

alias X = Stored;
alias Y = f32;

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
  y[at] = value;
}

fn load_x(token: u32, group: u32) -> Group {
  let at = (min(token, state.rows - 1u) * params.groups + group) * 8u;
  return Group(
    unpack_stored(x[at]), unpack_stored(x[at + 1u]), unpack_stored(x[at + 2u]), unpack_stored(x[at + 3u]),
    unpack_stored(x[at + 4u]), unpack_stored(x[at + 5u]), unpack_stored(x[at + 6u]), unpack_stored(x[at + 7u]),
  );
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let first_token = id.z * TOKENS;
  var sums: array<f32, TOKENS>;
  for (var group = 0u; group < params.groups; group++) {
    let weights_group = decode(load_raw(row * params.row_vec4s, group, params.groups * 32u));
    for (var t = 0u; t < TOKENS; t++) {
      sums[t] += dot_group(weights_group, load_x(first_token + t, group));
    }
  }
  for (var t = 0u; t < TOKENS; t++) {
    write_output(first_token + t, row, sums[t]);
  }
}
