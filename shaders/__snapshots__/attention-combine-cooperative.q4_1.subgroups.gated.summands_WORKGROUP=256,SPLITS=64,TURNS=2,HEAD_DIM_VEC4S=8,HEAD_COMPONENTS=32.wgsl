enable subgroups;
const WORKGROUP: u32 = 256u;
const SPLITS: u32 = 64u;
const TURNS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 8u;
const HEAD_COMPONENTS: u32 = 32u;
struct Params {
  heads: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(8u, 67u, 10u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> gates: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> summands: array<f32>;
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
// What a head adds to the output projection (out = Σ_h head_h · W_O,h): its columns of the matrix times its output. The kernel behind adds
// the heads' summands up where it reads them, so that no dispatch is needed for the projection. Several workgroups make the same head and
// share its rows: multiplying by them all would take one multiprocessor longer than attending. An invocation takes one group of 32 columns of
// a row, on its way while the head attends; the groups of a row are neighbours.
// shares: SHARES summands of a head are of a part of the keys each, unnormalized; behind all of them stand (maximum, sum) of each.

const HEAD_GROUPS: u32 = HEAD_COMPONENTS / 32u;

var<workgroup> head_output: array<vec4<f32>, HEAD_COMPONENTS / 4u>;

fn row_of_summand(part: u32, invocation: u32) -> u32 {
  return (part * WORKGROUP + invocation) / HEAD_GROUPS;
}

fn bring_columns(head: u32, part: u32, invocation: u32) -> RawGroup {
  let row = min(row_of_summand(part, invocation), params.output_rows - 1u);
  let group = head * HEAD_GROUPS + invocation % HEAD_GROUPS;
  return load_raw(row * params.output_row_vec4s, group, params.heads * HEAD_COMPONENTS);
}

fn write_summand(summand: u32, part: u32, invocation: u32, value: f32) {
  let row = row_of_summand(part, invocation);
  if (invocation % HEAD_GROUPS == 0u && row < params.output_rows) {
    summands[summand * params.output_rows + row] = value;
  }
}


// Once all of `head_output` is there.
fn leave_summand(summand: u32, part: u32, columns: RawGroup, invocation: u32) {
  let at = invocation % HEAD_GROUPS * 8u;
  let output = Group(
    head_output[at], head_output[at + 1u], head_output[at + 2u], head_output[at + 3u],
    head_output[at + 4u], head_output[at + 5u], head_output[at + 6u], head_output[at + 7u],
  );
  var sum = dot_raw(columns, output);
  for (var step = HEAD_GROUPS / 2u; step > 0u; step /= 2u) {
    sum += subgroupShuffleXor(sum, step);
  }
  write_summand(summand, part, invocation, sum);
}
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. A workgroup makes a head: its
// invocations share four components at a time and the parts. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).


// Invocations of the same four components.
const SHARES: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> share_outputs: array<vec4<f32>, SHARES * HEAD_DIM_VEC4S>;
var<workgroup> share_scales: array<vec2<f32>, SHARES>;

// Every SHARES-th part of a head, unnormalized. All of them are on their way before the first one is used; past the end the last one is
// repeated, and weighs nothing.
fn leave_share(head: u32, share: u32, quad: u32) {
  let part_0 = share + 0u * SHARES;
  let at_0 = head * SPLITS + min(part_0, SPLITS - 1u);
  let scale_0 = split_scales[at_0];
  let output_0 = split_outputs[at_0 * HEAD_DIM_VEC4S + quad];
  let part_1 = share + 1u * SHARES;
  let at_1 = head * SPLITS + min(part_1, SPLITS - 1u);
  let scale_1 = split_scales[at_1];
  let output_1 = split_outputs[at_1 * HEAD_DIM_VEC4S + quad];
  var largest = -1.0e30;
  largest = max(largest, scale_0.x);
  largest = max(largest, scale_1.x);
  var total = 0.0;
  var output = vec4<f32>();
  let weight_0 = select(0.0, exp2(scale_0.x - largest), part_0 < SPLITS);
  total += weight_0 * scale_0.y;
  output += weight_0 * output_0;
  let weight_1 = select(0.0, exp2(scale_1.x - largest), part_1 < SPLITS);
  total += weight_1 * scale_1.y;
  output += weight_1 * output_1;
  share_outputs[share * HEAD_DIM_VEC4S + quad] = output;
  if (quad == 0u) {
    share_scales[share] = vec2<f32>(largest, total);
  }
}

// Four components of the head, of what all shares left.
fn combined(quad: u32) -> vec4<f32> {
  var largest = share_scales[0].x;
  for (var i = 1u; i < SHARES; i++) {
    largest = max(largest, share_scales[i].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var i = 0u; i < SHARES; i++) {
    let scale = share_scales[i];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * share_outputs[i * HEAD_DIM_VEC4S + quad];
  }
  return output / total;
}

fn gate_of(head: u32) -> f32 {
  return gates[head];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let quad = invocation % HEAD_DIM_VEC4S;
  let share = invocation / HEAD_DIM_VEC4S;
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
    write_summand(head, workgroup.y, invocation, 0.0);
    return;
  }
  let columns = bring_columns(head, workgroup.y, invocation);
  if (share < SHARES) {
    leave_share(head, share, quad);
  }
  workgroupBarrier();
  if (share == 0u) {
    let output = gate * combined(quad);
    head_output[quad] = output;
  }
  workgroupBarrier();
  leave_summand(head, workgroup.y, columns, invocation);
}
