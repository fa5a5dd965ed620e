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
// Words of the matrix, and what halves of them are.

// The word at this index of the row's words: the row's vectors come first, so that what a lane adds to them is the same for all rows.
fn weight_word(row_base: u32, at: u32) -> u32 {
  return weights[row_base + (at >> 2u)][at & 3u];
}

// Two words, the first of which has an even index, in one load.
fn weight_pair(row_base: u32, at: u32) -> vec2<u32> {
  let four = weights[row_base + (at >> 2u)];
  return select(four.xy, four.zw, (at & 2u) != 0u);
}

// The half-precision number at this index of the row's half words. Converted as it comes: kept as a word until it is used, decoding was 8 %
// slower on an H200, as if nothing were on its way. now: kept, since weights come in a branch, which would wait for it.
alias Half = f32;

fn weight_half(row_base: u32, at: u32) -> Half {
  let both = unpack2x16float(weight_word(row_base, at >> 1u));
  return select(both.x, both.y, (at & 1u) == 1u);
}

fn number_of(half: Half) -> f32 {
  return half;
}
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// Numbers of a group as bytes, as src/quant/pack.ts packs them: of eight elements 0, 4, 1, 5 in one word and 2, 6, 3, 7 in the next.

// Four neighbours less `bias`, out of two words of four.
fn four_of_bytes(a: u32, b: u32, bias: f32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>(a, a >> 16u, b, b >> 16u) & vec4<u32>(255u)) - bias;
}

// The numbers in their order, less `bias`.
fn group_of_bytes(bytes: array<vec4<u32>, 2>, bias: f32) -> Group {
  let a = bytes[0];
  let b = bytes[1];
  let c = a >> vec4<u32>(8u);
  let d = b >> vec4<u32>(8u);
  return Group(
    four_of_bytes(a.x, a.y, bias), four_of_bytes(c.x, c.y, bias), four_of_bytes(a.z, a.w, bias), four_of_bytes(c.z, c.w, bias),
    four_of_bytes(b.x, b.y, bias), four_of_bytes(d.x, d.y, bias), four_of_bytes(b.z, b.w, bias), four_of_bytes(d.z, d.w, bias),
  );
}

fn nibble_bytes(words: vec4<u32>) -> array<vec4<u32>, 2> {
  let even = words & vec4<u32>(0x0f0f0f0fu);
  let odd = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
  return array<vec4<u32>, 2>(vec4<u32>(even.x, odd.x, even.y, odd.y), vec4<u32>(even.z, odd.z, even.w, odd.w));
}

fn two_bit_bytes(words: vec2<u32>) -> array<vec4<u32>, 2> {
  let shifts = vec4<u32>(0u, 2u, 4u, 6u);
  return array<vec4<u32>, 2>(
    (vec4<u32>(words.x) >> shifts) & vec4<u32>(0x03030303u), (vec4<u32>(words.y) >> shifts) & vec4<u32>(0x03030303u),
  );
}

// Of 3, 5 and 6 bits, the last words' numbers lie in what is left of the other bytes.
fn three_bit_bytes(words: vec2<u32>, third: u32) -> array<vec4<u32>, 2> {
  let all = vec3<u32>(words, third);
  let low = all & vec3<u32>(0x07070707u);
  let high = (all >> vec3<u32>(3u)) & vec3<u32>(0x07070707u);
  let last = ((words >> vec2<u32>(6u)) & vec2<u32>(0x03030303u)) | ((vec2<u32>(third) >> vec2<u32>(4u, 5u)) & vec2<u32>(0x04040404u));
  return array<vec4<u32>, 2>(vec4<u32>(low.x, high.x, low.y, high.y), vec4<u32>(low.z, high.z, last));
}

fn five_bit_bytes(words: vec4<u32>, fifth: u32) -> array<vec4<u32>, 2> {
  let late = vec3<u32>(words.w, fifth, words.w);
  let last = ((words.xyz >> vec3<u32>(5u)) & vec3<u32>(0x07070707u))
    | ((late >> vec3<u32>(2u, 2u, 4u)) & vec3<u32>(0x18181818u, 0x18181818u, 0x08080808u));
  return array<vec4<u32>, 2>(
    words & vec4<u32>(0x1f1f1f1fu),
    vec4<u32>(fifth & 0x1f1f1f1fu, last.xy, last.z | ((fifth >> 3u) & 0x10101010u)),
  );
}

fn six_bit_bytes(words: vec4<u32>, late: vec2<u32>) -> array<vec4<u32>, 2> {
  let last = ((vec2<u32>(words.x, words.w) >> vec2<u32>(6u)) & vec2<u32>(0x03030303u))
    | ((vec2<u32>(words.y, late.x) >> vec2<u32>(4u)) & vec2<u32>(0x0c0c0c0cu))
    | ((vec2<u32>(words.z, late.y) >> vec2<u32>(2u)) & vec2<u32>(0x30303030u));
  return array<vec4<u32>, 2>(
    words & vec4<u32>(0x3f3f3f3fu),
    vec4<u32>(late & vec2<u32>(0x3f3f3f3fu), last),
  );
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(vec4<u32>(a.x, b.x, a.y, b.y), vec4<u32>(a.z, b.z, a.w, b.w));
}
// A group of 32 weights whose halves have scales of their own: weight = scale · number − offset. In a product in fixed point each half's scale
// comes in once, behind its sum, and a lane takes a run of two groups.

fn scaled_halves(n: Group, scales: vec2<f32>, offsets: vec2<f32>) -> Group {
  let a = scales.x;
  let b = scales.y;
  let c = offsets.x;
  let d = offsets.y;
  return Group(
    n[0] * a - c, n[1] * a - c, n[2] * a - c, n[3] * a - c, n[4] * b - d, n[5] * b - d, n[6] * b - d, n[7] * b - d,
  );
}
// Scales of super-blocks whose halves of groups have a signed byte each: weight = factor · scale · (byte − bias). `at` is the word of the row where
// the plane of scales begins, with a word for two groups; behind it lies a half-precision factor a super-block.

struct SignedScales {
  scales: u32,
  // Of two neighbouring super-blocks.
  factors: u32,
  run: u32,
}

fn load_scales(row_base: u32, at: u32, run: u32, columns: u32) -> SignedScales {
  return SignedScales(weight_word(row_base, at + run), weight_word(row_base, at + columns / 64u + run / 8u), run);
}

fn factor_of(s: SignedScales) -> f32 {
  return unpack2x16float(s.factors >> (16u * ((s.run / 4u) & 1u))).x;
}

// Of both halves of group `g` of the run.
fn scales_of(s: SignedScales, g: u32) -> vec2<i32> {
  return bitcast<vec2<i32>>(vec2<u32>(s.scales) << (vec2<u32>(24u, 16u) - 16u * g)) >> vec2<u32>(24u);
}

fn decode_bytes(bytes: array<vec4<u32>, 2>, bias: f32, s: SignedScales, g: u32) -> Group {
  return scaled_halves(group_of_bytes(bytes, bias), factor_of(s) * vec2<f32>(scales_of(s, g)), vec2<f32>(0.0));
}
// weight = factor · scale · (q − 32), 256 weights a super-block, a scale for every 16. Planes of a row: 16 bytes and then 8 of
// numbers a group, 16 signed scales a super-block, a half-precision factor a super-block.

struct RawGroup {
  numbers: vec4<u32>,
  late: vec2<u32>,
  scales: SignedScales,
  group: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let late = columns / 8u;
  return RawGroup(
    weights[row_base + group],
    weight_pair(row_base, late + group * 2u),
    load_scales(row_base, late + columns / 16u, group / 2u, columns),
    group,
  );
}

fn decode(raw: RawGroup) -> Group {
  return decode_bytes(six_bit_bytes(raw.numbers, raw.late), 32.0, raw.scales, raw.group & 1u);
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
