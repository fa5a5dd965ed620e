enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const WORKGROUP: u32 = 128u;
const ROW_SUBGROUPS: u32 = 2u;
const TOKEN_FRAGMENTS: u32 = 2u;
const ROW_FRAGMENTS: u32 = 2u;
const COLUMN_FRAGMENTS: u32 = 4u;
const STEP_GROUPS: u32 = 2u;
const EDGE: u32 = 16u;
const X_LOADS: u32 = 4u;
const GROUP_LOADS: u32 = 1u;
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
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
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
// Pairs of 4-bit numbers as halves without a conversion: the bits of n in the mantissa of 1024 are 1024 + n, one binade up 1024 + 16n.

// Numbers at bits 0 and 16, less `offset` (1024 + the format's own).
fn low_pair(word: u32, offset: f16) -> vec2<f16> {
  return bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - vec2<f16>(offset);
}

// Numbers at bits 4 and 20, less `offset`.
fn high_pair(word: u32, offset: f16) -> vec2<f16> {
  return fma(
    bitcast<vec2<f16>>((word & 0x00f000f0u) | 0x64006400u),
    vec2<f16>(0.0625h), vec2<f16>(960.0h - offset),
  );
}

// Eight numbers of a word, in order: pairs stand at bits 0, 4, 8 and 12 of both halves (src/quant/pack.ts).
fn nibbles(word: u32, offset: f16) -> array<vec4<f16>, 2> {
  let late = word >> 8u;
  return array<vec4<f16>, 2>(
    vec4<f16>(low_pair(word, offset), high_pair(word, offset)),
    vec4<f16>(low_pair(late, offset), high_pair(late, offset)),
  );
}
// A group's scale and minimum out of a vector of four words.
const SCALE_GROUPS: u32 = 4u;

fn with_scale(raw: RawGroup, scales: vec4<u32>, group: u32) -> RawGroup {
  let two = select(scales.xy, scales.zw, (group & 2u) != 0u);
  var scaled = raw;
  scaled.factors = select(two.x, two.y, (group & 1u) != 0u);
  return scaled;
}
// As quant/q4_1, in halves.

// Vectors that the numbers of a group take, before the scales of a row.
const NUMBER_VEC4S: u32 = 1u;

fn decode_half(raw: RawGroup) -> array<vec4<f16>, 8> {
  let factors = bitcast<vec2<f16>>(raw.factors);
  let scale = vec4<f16>(factors.x);
  let minimum = vec4<f16>(factors.y);
  let a = nibbles(raw.numbers.x, 1024.0h);
  let b = nibbles(raw.numbers.y, 1024.0h);
  let c = nibbles(raw.numbers.z, 1024.0h);
  let d = nibbles(raw.numbers.w, 1024.0h);
  return array<vec4<f16>, 8>(
    fma(a[0], scale, minimum), fma(a[1], scale, minimum), fma(b[0], scale, minimum), fma(b[1], scale, minimum),
    fma(c[0], scale, minimum), fma(c[1], scale, minimum), fma(d[0], scale, minimum), fma(d[1], scale, minimum),
  );
}
// The matrix variant of matmul: a workgroup of 2 × ROW_SUBGROUPS subgroups makes TILE_TOKENS × TILE_ROWS outputs. Both tiles of
// STEP_GROUPS groups of 32 columns lie in workgroup memory as halves; subgroups multiply EDGE × EDGE fragments out of them, with sums in
// single precision, while the next tiles are on their way into registers.
//
// What must stay in registers is variables, written out, not arrays: with arrays and loops the same code reached 35 TFLOP/s instead of
// 180 on an H200. Sums begin with what is to be added and are stored as whole fragments.
//
// scales: those of SCALE_GROUPS groups come as one vector, once for all of them. Each row is another line of the cache: fetched group by
//        group, a scale costs as much as the numbers (313 instead of 287 µs for 1,024 tokens of 16384 × 2048 on an H200).
// ahead: loads are two steps ahead, and weights are decoded before the barrier, while other subgroups still multiply: where sums leave registers
//        for that.
// gated: the matrix is gates, then as many ups. A subgroup has fragments of both by turns, of the same outputs: they pass through the
//        workgroup memory of the tiles, a pair at a time, and leave as halves of activation(gate) · up.

// Eight halves.
alias X = vec4<u32>;
alias Y = f32;

const SUBGROUP_TOKENS: u32 = TOKEN_FRAGMENTS * EDGE;
const SUBGROUP_ROWS: u32 = ROW_FRAGMENTS * EDGE;
const TOKEN_SUBGROUPS: u32 = 2u;
const TILE_TOKENS: u32 = TOKEN_SUBGROUPS * SUBGROUP_TOKENS;
const TILE_ROWS: u32 = ROW_SUBGROUPS * SUBGROUP_ROWS;
// Eight halves.
const STEP_VEC8S: u32 = STEP_GROUPS * 4u;
// Rows of the tiles are 16 bytes longer than they need be: neighbouring ones start in other banks.
const TILE_STRIDE: u32 = STEP_VEC8S + 1u;
const STEPS: u32 = (params.groups + STEP_GROUPS - 1u) / STEP_GROUPS;

// What a subgroup multiplies is an array of its own, so that the places of its fragments are constants: a load from a place that is only
// known at run time is checked against the array's end (164 instead of 236 TFLOP/s at 4096³ on an H200).
// Eight halves are one element: they are stored at once.
alias TokenPart = array<vec4<u32>, SUBGROUP_TOKENS * TILE_STRIDE>;
alias RowPart = array<vec4<u32>, SUBGROUP_ROWS * TILE_STRIDE>;
var<workgroup> x_tile: array<TokenPart, TOKEN_SUBGROUPS>;
var<workgroup> weight_tile: array<RowPart, ROW_SUBGROUPS>;

fn load_x(first_token: u32, step: u32, at: u32) -> vec4<u32> {
  let token = min(first_token + at / STEP_VEC8S, state.rows - 1u);
  // Columns past the end meet weights of zero.
  let column = min(step * STEP_VEC8S + at % STEP_VEC8S, params.groups * 4u - 1u);
  return x[token * params.groups * 4u + column];
}

fn store_x(at: u32, halves: vec4<u32>) {
  let token = at / STEP_VEC8S;
  x_tile[token / SUBGROUP_TOKENS][token % SUBGROUP_TOKENS * TILE_STRIDE + at % STEP_VEC8S] = halves;
}

// The row of the matrix that is a row of the tile.
fn matrix_row(first_row: u32, row: u32) -> u32 {
  return min(first_row + row, params.rows - 1u);
}

fn load_weights(first_row: u32, step: u32, at: u32) -> RawGroup {
  let row = matrix_row(first_row, at / STEP_GROUPS);
  let group = min(step * STEP_GROUPS + at % STEP_GROUPS, params.groups - 1u);
  return load_raw(row * params.row_vec4s, group, params.groups * 32u);
}

// They stand behind the numbers of a row.
fn load_scales(first_row: u32, step: u32, at: u32) -> vec4<u32> {
  let row = matrix_row(first_row, at / STEP_GROUPS);
  return weights[row * params.row_vec4s + params.groups * NUMBER_VEC4S + step * STEP_GROUPS / SCALE_GROUPS];
}

// Of a group past the end, zeros.
fn ready_weights(step: u32, at: u32, raw: RawGroup) -> array<vec4<f16>, 8> {
  if (params.groups % STEP_GROUPS != 0u && step * STEP_GROUPS + at % STEP_GROUPS >= params.groups) {
    return array<vec4<f16>, 8>();
  }
  return decode_half(raw);
}

fn store_weights(at: u32, ready: array<vec4<f16>, 8>) {
  let row = at / STEP_GROUPS;
  let part = &weight_tile[row / SUBGROUP_ROWS];
  let to = row % SUBGROUP_ROWS * TILE_STRIDE + at % STEP_GROUPS * 4u;
  part[to] = vec8_of(ready[0], ready[1]);
  part[to + 1u] = vec8_of(ready[2], ready[3]);
  part[to + 2u] = vec8_of(ready[4], ready[5]);
  part[to + 3u] = vec8_of(ready[6], ready[7]);
}

fn vec8_of(a: vec4<f16>, b: vec4<f16>) -> vec4<u32> {
  return vec4<u32>(bitcast<vec2<u32>>(a), bitcast<vec2<u32>>(b));
}


@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let first_token = workgroup.z * TILE_TOKENS;
  let first_row = workgroup.x * TILE_ROWS;
  let token_part = subgroup / ROW_SUBGROUPS;
  let row_part = subgroup % ROW_SUBGROUPS;
  let token_base = token_part * SUBGROUP_TOKENS;
  let row_base = row_part * SUBGROUP_ROWS;
  let y_base = (first_token + token_base) * params.y_stride + params.y_offset + first_row + row_base;
  var sums_0_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_0_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_1_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_1_1: subgroup_matrix_result<f32, EDGE, EDGE>;

  var halves_0 = load_x(first_token, 0u, 0u * WORKGROUP + invocation);
  var halves_1 = load_x(first_token, 0u, 1u * WORKGROUP + invocation);
  var halves_2 = load_x(first_token, 0u, 2u * WORKGROUP + invocation);
  var halves_3 = load_x(first_token, 0u, 3u * WORKGROUP + invocation);
  var raw_0 = load_weights(first_row, 0u, 0u * WORKGROUP + invocation);
  var scales_0 = load_scales(first_row, 0u, 0u * WORKGROUP + invocation);
  var later_halves_0 = load_x(first_token, min(1u, STEPS - 1u), 0u * WORKGROUP + invocation);
  var later_halves_1 = load_x(first_token, min(1u, STEPS - 1u), 1u * WORKGROUP + invocation);
  var later_halves_2 = load_x(first_token, min(1u, STEPS - 1u), 2u * WORKGROUP + invocation);
  var later_halves_3 = load_x(first_token, min(1u, STEPS - 1u), 3u * WORKGROUP + invocation);
  var later_raw_0 = load_weights(first_row, min(1u, STEPS - 1u), 0u * WORKGROUP + invocation);
  for (var step = 0u; step < STEPS; step++) {
    raw_0 = with_scale(raw_0, scales_0, step * STEP_GROUPS + (0u * WORKGROUP + invocation) % STEP_GROUPS);
    let ready_0 = ready_weights(step, 0u * WORKGROUP + invocation, raw_0);
    workgroupBarrier();
    store_x(0u * WORKGROUP + invocation, halves_0);
    store_x(1u * WORKGROUP + invocation, halves_1);
    store_x(2u * WORKGROUP + invocation, halves_2);
    store_x(3u * WORKGROUP + invocation, halves_3);
    store_weights(0u * WORKGROUP + invocation, ready_0);
    workgroupBarrier();
    // The last step loads its own tiles again, and drops them.
    let next = min(step + 1u, STEPS - 1u);
    let later = min(step + 2u, STEPS - 1u);
    halves_0 = later_halves_0;
    later_halves_0 = load_x(first_token, later, 0u * WORKGROUP + invocation);
    halves_1 = later_halves_1;
    later_halves_1 = load_x(first_token, later, 1u * WORKGROUP + invocation);
    halves_2 = later_halves_2;
    later_halves_2 = load_x(first_token, later, 2u * WORKGROUP + invocation);
    halves_3 = later_halves_3;
    later_halves_3 = load_x(first_token, later, 3u * WORKGROUP + invocation);
    raw_0 = later_raw_0;
    later_raw_0 = load_weights(first_row, later, 0u * WORKGROUP + invocation);
    if (next * STEP_GROUPS % SCALE_GROUPS == 0u) {
      scales_0 = load_scales(first_row, next, 0u * WORKGROUP + invocation);
    }
    {
      let rows_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 0u * EDGE * TILE_STRIDE + 0u * EDGE / 8u, TILE_STRIDE);
      let rows_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 1u * EDGE * TILE_STRIDE + 0u * EDGE / 8u, TILE_STRIDE);
      let tokens_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 0u * EDGE * TILE_STRIDE + 0u * EDGE / 8u, TILE_STRIDE);
      sums_0_0 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_0, sums_0_0);
      sums_0_1 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_1, sums_0_1);
      let tokens_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 1u * EDGE * TILE_STRIDE + 0u * EDGE / 8u, TILE_STRIDE);
      sums_1_0 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_0, sums_1_0);
      sums_1_1 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_1, sums_1_1);
    }
    {
      let rows_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 0u * EDGE * TILE_STRIDE + 1u * EDGE / 8u, TILE_STRIDE);
      let rows_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 1u * EDGE * TILE_STRIDE + 1u * EDGE / 8u, TILE_STRIDE);
      let tokens_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 0u * EDGE * TILE_STRIDE + 1u * EDGE / 8u, TILE_STRIDE);
      sums_0_0 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_0, sums_0_0);
      sums_0_1 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_1, sums_0_1);
      let tokens_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 1u * EDGE * TILE_STRIDE + 1u * EDGE / 8u, TILE_STRIDE);
      sums_1_0 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_0, sums_1_0);
      sums_1_1 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_1, sums_1_1);
    }
    {
      let rows_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 0u * EDGE * TILE_STRIDE + 2u * EDGE / 8u, TILE_STRIDE);
      let rows_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 1u * EDGE * TILE_STRIDE + 2u * EDGE / 8u, TILE_STRIDE);
      let tokens_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 0u * EDGE * TILE_STRIDE + 2u * EDGE / 8u, TILE_STRIDE);
      sums_0_0 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_0, sums_0_0);
      sums_0_1 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_1, sums_0_1);
      let tokens_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 1u * EDGE * TILE_STRIDE + 2u * EDGE / 8u, TILE_STRIDE);
      sums_1_0 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_0, sums_1_0);
      sums_1_1 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_1, sums_1_1);
    }
    {
      let rows_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 0u * EDGE * TILE_STRIDE + 3u * EDGE / 8u, TILE_STRIDE);
      let rows_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
        &weight_tile[row_part], 1u * EDGE * TILE_STRIDE + 3u * EDGE / 8u, TILE_STRIDE);
      let tokens_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 0u * EDGE * TILE_STRIDE + 3u * EDGE / 8u, TILE_STRIDE);
      sums_0_0 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_0, sums_0_0);
      sums_0_1 = subgroupMatrixMultiplyAccumulate(tokens_0, rows_1, sums_0_1);
      let tokens_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
        &x_tile[token_part], 1u * EDGE * TILE_STRIDE + 3u * EDGE / 8u, TILE_STRIDE);
      sums_1_0 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_0, sums_1_0);
      sums_1_1 = subgroupMatrixMultiplyAccumulate(tokens_1, rows_1, sums_1_1);
    }
  }

  if (first_token + token_base + 0u * EDGE < state.rows && first_row + row_base + 0u * EDGE < params.rows) {
    subgroupMatrixStore<row_major>(&y, y_base + 0u * EDGE * params.y_stride + 0u * EDGE, sums_0_0, params.y_stride);
  }
  if (first_token + token_base + 0u * EDGE < state.rows && first_row + row_base + 1u * EDGE < params.rows) {
    subgroupMatrixStore<row_major>(&y, y_base + 0u * EDGE * params.y_stride + 1u * EDGE, sums_0_1, params.y_stride);
  }
  if (first_token + token_base + 1u * EDGE < state.rows && first_row + row_base + 0u * EDGE < params.rows) {
    subgroupMatrixStore<row_major>(&y, y_base + 1u * EDGE * params.y_stride + 0u * EDGE, sums_1_0, params.y_stride);
  }
  if (first_token + token_base + 1u * EDGE < state.rows && first_row + row_base + 1u * EDGE < params.rows) {
    subgroupMatrixStore<row_major>(&y, y_base + 1u * EDGE * params.y_stride + 1u * EDGE, sums_1_1, params.y_stride);
  }
}
// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes a square of tokens × rows, EACH × EACH an invocation; both tiles of a group of 32 columns lie in
//         workgroup memory, the next ones are on their way.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
