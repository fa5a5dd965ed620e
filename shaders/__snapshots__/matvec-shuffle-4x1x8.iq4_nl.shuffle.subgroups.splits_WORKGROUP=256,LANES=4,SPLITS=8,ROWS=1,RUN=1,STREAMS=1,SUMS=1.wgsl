enable subgroups;
const WORKGROUP: u32 = 256u;
const LANES: u32 = 4u;
const SPLITS: u32 = 8u;
const ROWS: u32 = 1u;
const RUN: u32 = 1u;
const STREAMS: u32 = 1u;
const SUMS: u32 = 1u;
struct Params {
  rows: u32,
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  y_offset: u32,
  head_groups: u32,
  epsilon: f32,
}
const params = Params(33u, 160u, 5u, 6u, 0u, 1u, 0f);
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
// Decoding of groups of 32 weights that share a scale: weight = scale · number. In a product the scale comes in once, behind the sum.

fn decode(raw: RawGroup) -> Group {
  let n = numbers_of(raw);
  let scale = number_of(raw.scale);
  return Group(n[0] * scale, n[1] * scale, n[2] * scale, n[3] * scale, n[4] * scale, n[5] * scale, n[6] * scale, n[7] * scale);
}

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return number_of(raw.scale) * dot_group(numbers_of(raw), x);
}
// Groups of 16 bytes of numbers and a half-precision scale. In a product in fixed point a lane takes one, or in pairs two, whose scales are one
// word: a row of an odd number of groups ends with a scale of 0.

struct RawGroup {
  numbers: vec4<u32>,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}
// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.

// The sixteen levels, signed bytes: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. Their eight bits as functions of those of q, for 32
// weights at once: no table, and no place in memory that depends on a weight. What has three inputs is one instruction, whatever it does with them.
fn level_bits(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let a = q.x;
  let b = q.y;
  let c = q.z;
  let d = q.w;
  let abc = (a ^ b) | (b ^ c);
  let p3 = abc & ~(d & ((c & ~b) | (~c & a & b)));
  let p4 = a ^ (d & abc);
  let p5 = b ^ (p4 & ~a);
  let ab = ~d & (a | b);
  let not_p0 = (ab & p5) ^ (~c & (ab | p5));
  let p2 = not_p0 ^ (abc & ~(b & d));
  let p1 = (p2 & p5) ^ (~a & (p2 | p5));
  return array<vec4<u32>, 2>(vec4<u32>(~not_p0, p1, p2, p3), vec4<u32>(p4, p5, c & (a | p3), ~d));
}

// Word p has bit p of all levels, of four in bits 0, 8, 16 and 24, of the next four in those behind: turned over, word j has four levels as bytes.
fn level_bytes(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let bits = level_bits(q);
  let a = halves_swapped(bits[0], bits[1], vec4<u32>(4u), vec4<u32>(0x0f0f0f0fu));
  let b = halves_swapped(vec4<u32>(a[0].xy, a[1].xy), vec4<u32>(a[0].zw, a[1].zw), vec4<u32>(2u), vec4<u32>(0x33333333u));
  let c = halves_swapped(vec4<u32>(b[0].xz, b[1].xz), vec4<u32>(b[0].yw, b[1].yw), vec4<u32>(1u), vec4<u32>(0x55555555u));
  return array<vec4<u32>, 2>(vec4<u32>(c[0].x, c[1].x, c[0].z, c[1].z), vec4<u32>(c[0].y, c[1].y, c[0].w, c[1].w));
}

// The upper bits of the first words against the lower ones of the second: what one has more than the other is added there and subtracted here. Units that
// multiply and add do that; as masks and shifts it would be up to those of logic alone.
fn halves_swapped(first: vec4<u32>, second: vec4<u32>, shift: vec4<u32>, low: vec4<u32>) -> array<vec4<u32>, 2> {
  let more = (second & low) - ((first >> shift) & low);
  return array<vec4<u32>, 2>(first + (more << shift), second - more);
}

fn numbers_of(raw: RawGroup) -> Group {
  let bytes = level_bytes(raw.numbers);
  return group_of_bytes(array<vec4<u32>, 2>(bytes[0] ^ vec4<u32>(0x80808080u), bytes[1] ^ vec4<u32>(0x80808080u)), 128.0);
}
// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier. The loop counts, so that
// drivers write it out.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var i = 0u; i < firstTrailingBit(LANES); i++) {
    sums[0u] += subgroupShuffleXor(sums[0u], (LANES / 2u) >> i);
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
  for (var turn = 0u; turn < TURNS; turn++) {
    let group = turn * TURN_RUNS + place.split * LANES + place.lane;
    if (IS_RAGGED && group >= params.groups) {
      break;
    }
    // The weights of all rows are on their way before the first one is decoded.
    let raw_0 = load_raw(row_0 * params.row_vec4s, group, params.groups * 32u);
    var x_group = load_x(x_base + group * 8u);
    sum_0 += dot_raw(raw_0, x_group);
  }
  var sums: Sums;
  sums[0u] = sum_0;
  sums = reduce_add(sums, place.lane, subgroup_size);
  leave_split(sums, place);
  if (writes(place, first_row, 0u)) {
    var rms = 1.0;
    var up = 0.0;
    var before = 0.0;
    finish(first_row + 0u, total(sums, place, 0u), up, rms, before);
  }
}
