const EACH: u32 = 8u;
const X_LOADS: u32 = 4u;
struct Params {
  rows: u32,
  groups: u32,
  row_vec4s: u32,
  y_stride: u32,
  y_offset: u32,
}
const params = Params(144u, 9u, 12u, 144u, 0u);
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
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
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
// A group of 32 numbers of four bits, as the words of its row have them.

// Less `bias`.
fn four_bits(words: vec4<u32>, bias: f32) -> Group {
  return Group(
    low_nibbles_less(words.x, bias), high_nibbles_less(words.x, bias),
    low_nibbles_less(words.y, bias), high_nibbles_less(words.y, bias),
    low_nibbles_less(words.z, bias), high_nibbles_less(words.z, bias),
    low_nibbles_less(words.w, bias), high_nibbles_less(words.w, bias),
  );
}
// A group of 32 weights that share a scale and an offset: weight = scale · number + offset. In a product both come in once: the offset with the
// sum of x, which is the same for all rows.

fn decode(raw: RawGroup) -> Group {
  let n = numbers_of(raw);
  let factors = factors_of(raw);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(factors.y);
  return Group(
    fma(n[0], scale, offset), fma(n[1], scale, offset), fma(n[2], scale, offset), fma(n[3], scale, offset),
    fma(n[4], scale, offset), fma(n[5], scale, offset), fma(n[6], scale, offset), fma(n[7], scale, offset),
  );
}

fn sum_group(x: Group) -> f32 {
  return dot(x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7], vec4<f32>(1.0));
}

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  let factors = factors_of(raw);
  return factors.x * dot_group(numbers_of(raw), x) + factors.y * sum_group(x);
}
// A group of 32 weights that share a scale and an offset, as it lies: in a product in fixed point a lane takes one at a time.
// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, then scale and minimum (half) a group.

struct RawGroup {
  numbers: vec4<u32>,
  // Scale and minimum.
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_word(row_base, columns / 8u + group));
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return unpack2x16float(raw.factors);
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 0.0);
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

// Edge of the square of invocations.
const SIDE: u32 = 16u;
const INVOCATIONS: u32 = SIDE * SIDE;
const TILE: u32 = SIDE * EACH;
const GROUP_VEC4S: u32 = 8u;

var<workgroup> x_tile: array<vec4<f32>, TILE * GROUP_VEC4S>;
var<workgroup> weight_tile: array<vec4<f32>, TILE * GROUP_VEC4S>;

// Where a vector of a row lies. Rows of a tile are as long as all banks: neighbouring ones have their vectors in another order.
fn place_of(row: u32, vector: u32) -> u32 {
  return row * GROUP_VEC4S + (vector ^ (row % GROUP_VEC4S));
}

fn load_x(first_token: u32, group: u32, at: u32) -> X {
  let token = min(first_token + at / GROUP_VEC4S, state.rows - 1u);
  return x[(token * params.groups + group) * GROUP_VEC4S + at % GROUP_VEC4S];
}

fn store_x(at: u32, stored: X) {
  x_tile[place_of(at / GROUP_VEC4S, at % GROUP_VEC4S)] = unpack_stored(stored);
}

fn load_weights(first_row: u32, group: u32, invocation: u32) -> RawGroup {
  let row = min(first_row + invocation % TILE, params.rows - 1u);
  return load_raw(row * params.row_vec4s, group, params.groups * 32u);
}

// The first TILE invocations decode a whole group of a row each.
fn store_weights(invocation: u32, raw: RawGroup) {
  if (invocation >= TILE) {
    return;
  }
  let group = decode(raw);
  weight_tile[place_of(invocation, 0u)] = group[0];
  weight_tile[place_of(invocation, 1u)] = group[1];
  weight_tile[place_of(invocation, 2u)] = group[2];
  weight_tile[place_of(invocation, 3u)] = group[3];
  weight_tile[place_of(invocation, 4u)] = group[4];
  weight_tile[place_of(invocation, 5u)] = group[5];
  weight_tile[place_of(invocation, 6u)] = group[6];
  weight_tile[place_of(invocation, 7u)] = group[7];
}

fn add_products(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, sum))));
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let first_row = workgroup.x * TILE;
  let first_token = workgroup.z * TILE;
  // Sums are variables, written out: in arrays they would leave the registers.
  var sum_0_0 = 0.0;
  var sum_0_1 = 0.0;
  var sum_0_2 = 0.0;
  var sum_0_3 = 0.0;
  var sum_0_4 = 0.0;
  var sum_0_5 = 0.0;
  var sum_0_6 = 0.0;
  var sum_0_7 = 0.0;
  var sum_1_0 = 0.0;
  var sum_1_1 = 0.0;
  var sum_1_2 = 0.0;
  var sum_1_3 = 0.0;
  var sum_1_4 = 0.0;
  var sum_1_5 = 0.0;
  var sum_1_6 = 0.0;
  var sum_1_7 = 0.0;
  var sum_2_0 = 0.0;
  var sum_2_1 = 0.0;
  var sum_2_2 = 0.0;
  var sum_2_3 = 0.0;
  var sum_2_4 = 0.0;
  var sum_2_5 = 0.0;
  var sum_2_6 = 0.0;
  var sum_2_7 = 0.0;
  var sum_3_0 = 0.0;
  var sum_3_1 = 0.0;
  var sum_3_2 = 0.0;
  var sum_3_3 = 0.0;
  var sum_3_4 = 0.0;
  var sum_3_5 = 0.0;
  var sum_3_6 = 0.0;
  var sum_3_7 = 0.0;
  var sum_4_0 = 0.0;
  var sum_4_1 = 0.0;
  var sum_4_2 = 0.0;
  var sum_4_3 = 0.0;
  var sum_4_4 = 0.0;
  var sum_4_5 = 0.0;
  var sum_4_6 = 0.0;
  var sum_4_7 = 0.0;
  var sum_5_0 = 0.0;
  var sum_5_1 = 0.0;
  var sum_5_2 = 0.0;
  var sum_5_3 = 0.0;
  var sum_5_4 = 0.0;
  var sum_5_5 = 0.0;
  var sum_5_6 = 0.0;
  var sum_5_7 = 0.0;
  var sum_6_0 = 0.0;
  var sum_6_1 = 0.0;
  var sum_6_2 = 0.0;
  var sum_6_3 = 0.0;
  var sum_6_4 = 0.0;
  var sum_6_5 = 0.0;
  var sum_6_6 = 0.0;
  var sum_6_7 = 0.0;
  var sum_7_0 = 0.0;
  var sum_7_1 = 0.0;
  var sum_7_2 = 0.0;
  var sum_7_3 = 0.0;
  var sum_7_4 = 0.0;
  var sum_7_5 = 0.0;
  var sum_7_6 = 0.0;
  var sum_7_7 = 0.0;
  var stored_0 = load_x(first_token, 0u, 0u * INVOCATIONS + invocation);
  var stored_1 = load_x(first_token, 0u, 1u * INVOCATIONS + invocation);
  var stored_2 = load_x(first_token, 0u, 2u * INVOCATIONS + invocation);
  var stored_3 = load_x(first_token, 0u, 3u * INVOCATIONS + invocation);
  var raw = load_weights(first_row, 0u, invocation);
  for (var group = 0u; group < params.groups; group++) {
    workgroupBarrier();
    store_x(0u * INVOCATIONS + invocation, stored_0);
    store_x(1u * INVOCATIONS + invocation, stored_1);
    store_x(2u * INVOCATIONS + invocation, stored_2);
    store_x(3u * INVOCATIONS + invocation, stored_3);
    store_weights(invocation, raw);
    workgroupBarrier();
    // On their way while these are multiplied; the last turn loads its own again, and drops them.
    let next = min(group + 1u, params.groups - 1u);
    stored_0 = load_x(first_token, next, 0u * INVOCATIONS + invocation);
    stored_1 = load_x(first_token, next, 1u * INVOCATIONS + invocation);
    stored_2 = load_x(first_token, next, 2u * INVOCATIONS + invocation);
    stored_3 = load_x(first_token, next, 3u * INVOCATIONS + invocation);
    raw = load_weights(first_row, next, invocation);
    for (var vector = 0u; vector < GROUP_VEC4S; vector++) {
      let row_0 = weight_tile[place_of(0u * SIDE + local.x, vector)];
      let row_1 = weight_tile[place_of(1u * SIDE + local.x, vector)];
      let row_2 = weight_tile[place_of(2u * SIDE + local.x, vector)];
      let row_3 = weight_tile[place_of(3u * SIDE + local.x, vector)];
      let row_4 = weight_tile[place_of(4u * SIDE + local.x, vector)];
      let row_5 = weight_tile[place_of(5u * SIDE + local.x, vector)];
      let row_6 = weight_tile[place_of(6u * SIDE + local.x, vector)];
      let row_7 = weight_tile[place_of(7u * SIDE + local.x, vector)];
      {
        let token = x_tile[place_of(0u * SIDE + local.y, vector)];
        sum_0_0 = add_products(token, row_0, sum_0_0);
        sum_0_1 = add_products(token, row_1, sum_0_1);
        sum_0_2 = add_products(token, row_2, sum_0_2);
        sum_0_3 = add_products(token, row_3, sum_0_3);
        sum_0_4 = add_products(token, row_4, sum_0_4);
        sum_0_5 = add_products(token, row_5, sum_0_5);
        sum_0_6 = add_products(token, row_6, sum_0_6);
        sum_0_7 = add_products(token, row_7, sum_0_7);
      }
      {
        let token = x_tile[place_of(1u * SIDE + local.y, vector)];
        sum_1_0 = add_products(token, row_0, sum_1_0);
        sum_1_1 = add_products(token, row_1, sum_1_1);
        sum_1_2 = add_products(token, row_2, sum_1_2);
        sum_1_3 = add_products(token, row_3, sum_1_3);
        sum_1_4 = add_products(token, row_4, sum_1_4);
        sum_1_5 = add_products(token, row_5, sum_1_5);
        sum_1_6 = add_products(token, row_6, sum_1_6);
        sum_1_7 = add_products(token, row_7, sum_1_7);
      }
      {
        let token = x_tile[place_of(2u * SIDE + local.y, vector)];
        sum_2_0 = add_products(token, row_0, sum_2_0);
        sum_2_1 = add_products(token, row_1, sum_2_1);
        sum_2_2 = add_products(token, row_2, sum_2_2);
        sum_2_3 = add_products(token, row_3, sum_2_3);
        sum_2_4 = add_products(token, row_4, sum_2_4);
        sum_2_5 = add_products(token, row_5, sum_2_5);
        sum_2_6 = add_products(token, row_6, sum_2_6);
        sum_2_7 = add_products(token, row_7, sum_2_7);
      }
      {
        let token = x_tile[place_of(3u * SIDE + local.y, vector)];
        sum_3_0 = add_products(token, row_0, sum_3_0);
        sum_3_1 = add_products(token, row_1, sum_3_1);
        sum_3_2 = add_products(token, row_2, sum_3_2);
        sum_3_3 = add_products(token, row_3, sum_3_3);
        sum_3_4 = add_products(token, row_4, sum_3_4);
        sum_3_5 = add_products(token, row_5, sum_3_5);
        sum_3_6 = add_products(token, row_6, sum_3_6);
        sum_3_7 = add_products(token, row_7, sum_3_7);
      }
      {
        let token = x_tile[place_of(4u * SIDE + local.y, vector)];
        sum_4_0 = add_products(token, row_0, sum_4_0);
        sum_4_1 = add_products(token, row_1, sum_4_1);
        sum_4_2 = add_products(token, row_2, sum_4_2);
        sum_4_3 = add_products(token, row_3, sum_4_3);
        sum_4_4 = add_products(token, row_4, sum_4_4);
        sum_4_5 = add_products(token, row_5, sum_4_5);
        sum_4_6 = add_products(token, row_6, sum_4_6);
        sum_4_7 = add_products(token, row_7, sum_4_7);
      }
      {
        let token = x_tile[place_of(5u * SIDE + local.y, vector)];
        sum_5_0 = add_products(token, row_0, sum_5_0);
        sum_5_1 = add_products(token, row_1, sum_5_1);
        sum_5_2 = add_products(token, row_2, sum_5_2);
        sum_5_3 = add_products(token, row_3, sum_5_3);
        sum_5_4 = add_products(token, row_4, sum_5_4);
        sum_5_5 = add_products(token, row_5, sum_5_5);
        sum_5_6 = add_products(token, row_6, sum_5_6);
        sum_5_7 = add_products(token, row_7, sum_5_7);
      }
      {
        let token = x_tile[place_of(6u * SIDE + local.y, vector)];
        sum_6_0 = add_products(token, row_0, sum_6_0);
        sum_6_1 = add_products(token, row_1, sum_6_1);
        sum_6_2 = add_products(token, row_2, sum_6_2);
        sum_6_3 = add_products(token, row_3, sum_6_3);
        sum_6_4 = add_products(token, row_4, sum_6_4);
        sum_6_5 = add_products(token, row_5, sum_6_5);
        sum_6_6 = add_products(token, row_6, sum_6_6);
        sum_6_7 = add_products(token, row_7, sum_6_7);
      }
      {
        let token = x_tile[place_of(7u * SIDE + local.y, vector)];
        sum_7_0 = add_products(token, row_0, sum_7_0);
        sum_7_1 = add_products(token, row_1, sum_7_1);
        sum_7_2 = add_products(token, row_2, sum_7_2);
        sum_7_3 = add_products(token, row_3, sum_7_3);
        sum_7_4 = add_products(token, row_4, sum_7_4);
        sum_7_5 = add_products(token, row_5, sum_7_5);
        sum_7_6 = add_products(token, row_6, sum_7_6);
        sum_7_7 = add_products(token, row_7, sum_7_7);
      }
    }
  }
  write_output(first_token + 0u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_0_0);
  write_output(first_token + 0u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_0_1);
  write_output(first_token + 0u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_0_2);
  write_output(first_token + 0u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_0_3);
  write_output(first_token + 0u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_0_4);
  write_output(first_token + 0u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_0_5);
  write_output(first_token + 0u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_0_6);
  write_output(first_token + 0u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_0_7);
  write_output(first_token + 1u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_1_0);
  write_output(first_token + 1u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_1_1);
  write_output(first_token + 1u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_1_2);
  write_output(first_token + 1u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_1_3);
  write_output(first_token + 1u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_1_4);
  write_output(first_token + 1u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_1_5);
  write_output(first_token + 1u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_1_6);
  write_output(first_token + 1u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_1_7);
  write_output(first_token + 2u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_2_0);
  write_output(first_token + 2u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_2_1);
  write_output(first_token + 2u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_2_2);
  write_output(first_token + 2u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_2_3);
  write_output(first_token + 2u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_2_4);
  write_output(first_token + 2u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_2_5);
  write_output(first_token + 2u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_2_6);
  write_output(first_token + 2u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_2_7);
  write_output(first_token + 3u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_3_0);
  write_output(first_token + 3u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_3_1);
  write_output(first_token + 3u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_3_2);
  write_output(first_token + 3u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_3_3);
  write_output(first_token + 3u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_3_4);
  write_output(first_token + 3u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_3_5);
  write_output(first_token + 3u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_3_6);
  write_output(first_token + 3u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_3_7);
  write_output(first_token + 4u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_4_0);
  write_output(first_token + 4u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_4_1);
  write_output(first_token + 4u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_4_2);
  write_output(first_token + 4u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_4_3);
  write_output(first_token + 4u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_4_4);
  write_output(first_token + 4u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_4_5);
  write_output(first_token + 4u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_4_6);
  write_output(first_token + 4u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_4_7);
  write_output(first_token + 5u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_5_0);
  write_output(first_token + 5u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_5_1);
  write_output(first_token + 5u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_5_2);
  write_output(first_token + 5u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_5_3);
  write_output(first_token + 5u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_5_4);
  write_output(first_token + 5u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_5_5);
  write_output(first_token + 5u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_5_6);
  write_output(first_token + 5u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_5_7);
  write_output(first_token + 6u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_6_0);
  write_output(first_token + 6u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_6_1);
  write_output(first_token + 6u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_6_2);
  write_output(first_token + 6u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_6_3);
  write_output(first_token + 6u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_6_4);
  write_output(first_token + 6u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_6_5);
  write_output(first_token + 6u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_6_6);
  write_output(first_token + 6u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_6_7);
  write_output(first_token + 7u * SIDE + local.y, first_row + 0u * SIDE + local.x, sum_7_0);
  write_output(first_token + 7u * SIDE + local.y, first_row + 1u * SIDE + local.x, sum_7_1);
  write_output(first_token + 7u * SIDE + local.y, first_row + 2u * SIDE + local.x, sum_7_2);
  write_output(first_token + 7u * SIDE + local.y, first_row + 3u * SIDE + local.x, sum_7_3);
  write_output(first_token + 7u * SIDE + local.y, first_row + 4u * SIDE + local.x, sum_7_4);
  write_output(first_token + 7u * SIDE + local.y, first_row + 5u * SIDE + local.x, sum_7_5);
  write_output(first_token + 7u * SIDE + local.y, first_row + 6u * SIDE + local.x, sum_7_6);
  write_output(first_token + 7u * SIDE + local.y, first_row + 7u * SIDE + local.x, sum_7_7);
}
