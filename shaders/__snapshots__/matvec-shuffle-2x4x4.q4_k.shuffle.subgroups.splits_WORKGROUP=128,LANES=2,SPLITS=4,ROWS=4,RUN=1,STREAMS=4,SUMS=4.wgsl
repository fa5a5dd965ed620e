enable subgroups;
const WORKGROUP: u32 = 128u;
const LANES: u32 = 2u;
const SPLITS: u32 = 4u;
const ROWS: u32 = 4u;
const RUN: u32 = 1u;
const STREAMS: u32 = 4u;
const SUMS: u32 = 4u;
struct Params {
  rows: u32,
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  y_offset: u32,
  head_groups: u32,
  epsilon: f32,
}
const params = Params(33u, 512u, 16u, 18u, 0u, 1u, 0f);
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// A group of 32 of x; `at` is the first of its vectors.

fn load_x(at: u32) -> Group {
  return Group(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
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
// 6-bit scales and minimums of a super-block of eight groups, out of 16 bytes: factors (two halves), then scales 0..3, minimums 0..3, and
// what is left of both: low bits in the third word, high bits above those of the first four.

// Of groups 2i and 2i + 1, in the low bytes of a word each.
fn two_scales_and_minimums(packed: vec4<u32>, i: u32) -> vec2<u32> {
  let shift = 16u * (i & 1u);
  let a = packed.y >> shift;
  let b = packed.z >> shift;
  let c = packed.w >> shift;
  let late = vec2<u32>((c & 0x0f0fu) | ((a >> 2u) & 0x3030u), ((c >> 4u) & 0x0f0fu) | ((b >> 2u) & 0x3030u));
  return select(late, vec2<u32>(a, b) & vec2<u32>(0x3f3fu), i < 2u);
}

// Of group i, by the factors: scale and offset, the minimum below zero.
fn scale_and_offset(packed: vec4<u32>, i: u32) -> vec2<f32> {
  let two = two_scales_and_minimums(packed, i / 2u);
  let factors = unpack2x16float(packed.x) * vec2<f32>((two >> vec2<u32>(8u * (i & 1u))) & vec2<u32>(63u));
  return vec2<f32>(factors.x, -factors.y);
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
// weight = scale · q − minimum, 256 weights a super-block. Planes of a row: 16 bytes of nibbles a group, then 16 bytes of factors and 6-bit scales a super-block.

struct RawGroup {
  numbers: vec4<u32>,
  scales: vec4<u32>,
  // Of the group within its super-block.
  at: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weights[row_base + columns / 32u + group / 8u], group % 8u);
}

fn factors_of(raw: RawGroup) -> vec2<f32> {
  return scale_and_offset(raw.scales, raw.at);
}

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 0.0);
}
// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier. The loop counts, so that
// drivers write it out.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var i = 0u; i < firstTrailingBit(LANES); i++) {
    sums[0u] += subgroupShuffleXor(sums[0u], (LANES / 2u) >> i);
    sums[1u] += subgroupShuffleXor(sums[1u], (LANES / 2u) >> i);
    sums[2u] += subgroupShuffleXor(sums[2u], (LANES / 2u) >> i);
    sums[3u] += subgroupShuffleXor(sums[3u], (LANES / 2u) >> i);
  }
  return sums;
}
// How the invocations of a workgroup share the rows of a matrix: LANES neighbouring ones are a set, which takes ROWS rows; a lane takes
// every (LANES · SPLITS)-th run of RUN groups of 32 columns. Neighbouring sets read the same part of x at the same time.
// splits: the columns are cut over SPLITS runs of sets, whose sums meet in workgroup memory.
const SETS: u32 = WORKGROUP / LANES / SPLITS;

// Runs of a row, and those that all its sets take in a turn; turns, of which the last one may find no run for some lanes. Trip counts are
// constants, so that the loads of several turns are under way at once.
const RUNS: u32 = (params.groups + RUN - 1u) / RUN;
const TURN_RUNS: u32 = LANES * SPLITS;
const TURNS: u32 = (RUNS + TURN_RUNS - 1u) / TURN_RUNS;
const IS_RAGGED: bool = RUNS % TURN_RUNS != 0u;

fn run_in_range(run: u32) -> u32 {
  return select(run, min(run, RUNS - 1u), IS_RAGGED);
}

struct Lane {
  lane: u32,
  // Set within the workgroup, of those with this split.
  row_set: u32,
  split: u32,
}

fn lane_of(invocation: u32) -> Lane {
  return Lane(invocation % LANES, invocation / LANES % SETS, invocation / (LANES * SETS));
}

var<workgroup> split_sums: array<Sums, WORKGROUP / LANES>;

fn leave_split(sums: Sums, place: Lane) {
  if (place.lane == 0u) {
    split_sums[place.split * SETS + place.row_set] = sums;
  }
  workgroupBarrier();
}

// Sum `i` of a set over all splits.
fn split_total(row_set: u32, i: u32) -> f32 {
  var total = split_sums[row_set][i];
  for (var s = 1u; s < SPLITS; s++) {
    total += split_sums[s * SETS + row_set][i];
  }
  return total;
}

fn total(sums: Sums, place: Lane, i: u32) -> f32 {
  return split_total(place.row_set, i);
}
// y[row] = Σ_k weights[row, k] · x[k], for one token. Sets of LANES invocations take ROWS rows at once, so that x is read once for all
// of them (lib/lanes).
//
// norm:     x is RMS-normalized on the way: the factor 1/rms is the same for all k, so it is applied to the sum
//           and the sum of squares is gathered in the same loop.
// gated:    rows `row` (gate) and `row + rows` (up) give activation(gate) · up: a set reads STREAMS rows, twice ROWS.
// residual: adds to y instead of writing it.
// last_row: x is the last row of the pass.
// fixed:    x is made whole numbers first, and weights are multiplied as bytes (lib/fixed-point).
// now:      weights are asked for in a branch, where drivers do not put them off until x is staged.
// held:     x stays in registers while blocks of rows pass by (lib/held-x); ahead: the next block's weights are fetched before this one's are
//           multiplied, not behind that, which takes registers of its own.
// summands: x is the sum of x and of SUMMANDS rows beside it, which is kept in x_sum; with fixed alone.
// gated_heads: x is made of heads; where a head's gate is 0, so is x, and the weights of its columns are not read.

alias Sums = array<f32, SUMS>;


// What becomes of the sum of a row: `up` is that of its other half, `before` what stands there, `rms` the factor of the norm.
fn finish(row: u32, sum: f32, up: f32, rms: f32, before: f32) {
  var value = sum;
  y[params.y_offset + row] = value;
}

// The lanes of a set share the writing of its rows.
fn writes(place: Lane, first_row: u32, r: u32) -> bool {
  return place.lane == r % LANES && place.split == 0u && first_row + r < params.rows;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_size) subgroup_size: u32,
) {
  let place = lane_of(invocation);
  let index = linear_workgroup(workgroup, workgroups);
  var x_base = 0u;
  let first_row = (index * SETS + place.row_set) * ROWS;

  // Sums are variables, written out: in an array, or in a loop over rows, they would leave the registers.
  let row_0 = min(first_row + 0u % ROWS, params.rows - 1u) + 0u / ROWS * params.rows;
  var sum_0 = 0.0;
  let row_1 = min(first_row + 1u % ROWS, params.rows - 1u) + 1u / ROWS * params.rows;
  var sum_1 = 0.0;
  let row_2 = min(first_row + 2u % ROWS, params.rows - 1u) + 2u / ROWS * params.rows;
  var sum_2 = 0.0;
  let row_3 = min(first_row + 3u % ROWS, params.rows - 1u) + 3u / ROWS * params.rows;
  var sum_3 = 0.0;
  for (var turn = 0u; turn < TURNS; turn++) {
    let group = turn * TURN_RUNS + place.split * LANES + place.lane;
    if (IS_RAGGED && group >= params.groups) {
      break;
    }
    // The weights of all rows are on their way before the first one is decoded.
    let raw_0 = load_raw(row_0 * params.row_vec4s, group, params.groups * 32u);
    let raw_1 = load_raw(row_1 * params.row_vec4s, group, params.groups * 32u);
    let raw_2 = load_raw(row_2 * params.row_vec4s, group, params.groups * 32u);
    let raw_3 = load_raw(row_3 * params.row_vec4s, group, params.groups * 32u);
    var x_group = load_x(x_base + group * 8u);
    sum_0 += dot_raw(raw_0, x_group);
    sum_1 += dot_raw(raw_1, x_group);
    sum_2 += dot_raw(raw_2, x_group);
    sum_3 += dot_raw(raw_3, x_group);
  }
  var sums: Sums;
  sums[0u] = sum_0;
  sums[1u] = sum_1;
  sums[2u] = sum_2;
  sums[3u] = sum_3;
  sums = reduce_add(sums, place.lane, subgroup_size);
  leave_split(sums, place);
  if (writes(place, first_row, 0u)) {
    var rms = 1.0;
    var up = 0.0;
    var before = 0.0;
    finish(first_row + 0u, total(sums, place, 0u), up, rms, before);
  }
  if (writes(place, first_row, 1u)) {
    var rms = 1.0;
    var up = 0.0;
    var before = 0.0;
    finish(first_row + 1u, total(sums, place, 1u), up, rms, before);
  }
  if (writes(place, first_row, 2u)) {
    var rms = 1.0;
    var up = 0.0;
    var before = 0.0;
    finish(first_row + 2u, total(sums, place, 2u), up, rms, before);
  }
  if (writes(place, first_row, 3u)) {
    var rms = 1.0;
    var up = 0.0;
    var before = 0.0;
    finish(first_row + 3u, total(sums, place, 3u), up, rms, before);
  }
}
