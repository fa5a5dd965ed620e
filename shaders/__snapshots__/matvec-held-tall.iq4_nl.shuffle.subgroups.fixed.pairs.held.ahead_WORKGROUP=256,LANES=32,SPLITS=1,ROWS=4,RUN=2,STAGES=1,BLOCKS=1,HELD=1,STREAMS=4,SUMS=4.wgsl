enable subgroups;
const WORKGROUP: u32 = 256u;
const LANES: u32 = 32u;
const SPLITS: u32 = 1u;
const ROWS: u32 = 4u;
const RUN: u32 = 2u;
const STAGES: u32 = 1u;
const BLOCKS: u32 = 1u;
const HELD: u32 = 1u;
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
// x as whole numbers of 16 bits, a scale a run of one group of 32 or two, in two planes of signed bytes: x = scale · (256 · high + low). Four bytes of weights
// are then multiplied in one instruction a plane (dot4I8Packed), exactly. The rounding of x, 2^-16 of a run's largest number, is as good
// as that of single precision in a sum; bytes alone would lose the small numbers beside massive activations.
//
// The workgroup makes it once, in its memory, while the first weights are on their way. Four neighbouring invocations take a run: of each of its groups
// eight elements, so that they read neighbouring bytes.

const LARGEST_FIXED: f32 = 32512.0;
// Added to a number, it leaves the nearest whole one in the low bits, with 2^15 + 2^7 on top: so that both bytes, which are signed, count from 0.
const ROUNDER: f32 = 12582912.0 + 32896.0;
const ONES: u32 = 0x01010101u;

// Of a run: of each group the high bytes of elements 0 to 15 and 16 to 31, then low bytes; behind them the sums of all halves. An odd number of vectors,
// so that eight neighbours read eight banks; together, so that one place is known to be in range for all.
var<workgroup> fixed_x: array<array<vec4<u32>, 4u * RUN + 1u>, RUNS>;
var<workgroup> fixed_scales: array<f32, RUNS>;

struct FixedGroup {
  high: array<vec4<u32>, 2>,
  low: array<vec4<u32>, 2>,
  scale: f32,
  // Of both halves.
  sums: vec2<i32>,
}

struct Eight {
  a: vec4<f32>,
  b: vec4<f32>,
}

// Of each group of a run.
alias Eights = array<Eight, RUN>;

fn load_x_eight(at: u32) -> Eight {
  return Eight(x[at], x[at + 1u]);
}


// Groups of a run, of one scale.
alias FixedRun = array<FixedGroup, RUN>;

fn fixed_run(run: u32) -> FixedRun {
  let sums = bitcast<vec4<i32>>(fixed_x[run][4u * RUN]);
  let halves = array<vec2<i32>, 2>(sums.xy, sums.zw);
  let scale = fixed_scales[run];
  return FixedRun(
    FixedGroup(
      array<vec4<u32>, 2>(fixed_x[run][4u * 0u], fixed_x[run][4u * 0u + 1u]),
      array<vec4<u32>, 2>(fixed_x[run][4u * 0u + 2u], fixed_x[run][4u * 0u + 3u]),
      scale, halves[0u],
    ),
    FixedGroup(
      array<vec4<u32>, 2>(fixed_x[run][4u * 1u], fixed_x[run][4u * 1u + 1u]),
      array<vec4<u32>, 2>(fixed_x[run][4u * 1u + 2u], fixed_x[run][4u * 1u + 3u]),
      scale, halves[1u],
    ),
  );
}

fn sum_of(x: FixedGroup) -> f32 {
  return f32(x.sums.x + x.sums.y);
}

fn largest(v: vec4<f32>) -> f32 {
  let a = abs(v);
  return max(max(a.x, a.y), max(a.z, a.w));
}

// Nearest whole numbers of x · factor in 16 low bits, both bytes 128 more than they are.
fn rounded(x: vec4<f32>, factor: f32) -> vec4<u32> {
  return bitcast<vec4<u32>>(fma(x, vec4<f32>(factor), vec4<f32>(ROUNDER)));
}

// Four neighbours of a word: of two each, in its halves.
fn in_halves(v: vec4<u32>) -> vec2<u32> {
  return (v.xy & vec2<u32>(0xffffu)) | (v.zw << vec2<u32>(16u));
}

fn low_bytes(v: vec2<u32>) -> u32 {
  return ((v.x & 0x00ff00ffu) | ((v.y << 8u) & 0xff00ff00u)) ^ 0x80808080u;
}

fn high_bytes(v: vec2<u32>) -> u32 {
  return (((v.x >> 8u) & 0x00ff00ffu) | (v.y & 0xff00ff00u)) ^ 0x80808080u;
}

// Eight elements of each group of a run, `place` of four: to be called by all invocations, neighbours with the others of the same run.
fn stage_eights(x: Eights, run: u32, place: u32, writes: bool) {
  var most = 0.0;
  most = max(most, max(largest(x[0u].a), largest(x[0u].b)));
  most = max(most, max(largest(x[1u].a), largest(x[1u].b)));
  most = max(most, subgroupShuffleXor(most, 1u));
  most = max(most, subgroupShuffleXor(most, 2u));
  let factor = select(LARGEST_FIXED / most, 0.0, most == 0.0);
  let half = place / 2u;
  let word = place % 2u * 2u;
  let ordered_0 = byte_order(rounded(x[0u].a, factor), rounded(x[0u].b, factor));
  let first_0 = in_halves(ordered_0[0]);
  let second_0 = in_halves(ordered_0[1]);
  let high_0 = vec2<u32>(high_bytes(first_0), high_bytes(second_0));
  let low_0 = vec2<u32>(low_bytes(first_0), low_bytes(second_0));
  let own_0 = 256 * (dot4I8Packed(high_0.x, ONES) + dot4I8Packed(high_0.y, ONES)) + dot4I8Packed(low_0.x, ONES) + dot4I8Packed(low_0.y, ONES);
  let sum_0 = own_0 + subgroupShuffleXor(own_0, 1u);
  let ordered_1 = byte_order(rounded(x[1u].a, factor), rounded(x[1u].b, factor));
  let first_1 = in_halves(ordered_1[0]);
  let second_1 = in_halves(ordered_1[1]);
  let high_1 = vec2<u32>(high_bytes(first_1), high_bytes(second_1));
  let low_1 = vec2<u32>(low_bytes(first_1), low_bytes(second_1));
  let own_1 = 256 * (dot4I8Packed(high_1.x, ONES) + dot4I8Packed(high_1.y, ONES)) + dot4I8Packed(low_1.x, ONES) + dot4I8Packed(low_1.y, ONES);
  let sum_1 = own_1 + subgroupShuffleXor(own_1, 1u);
  if (!writes) {
    return;
  }
  fixed_x[run][4u * 0u + half][word] = high_0.x;
  fixed_x[run][4u * 0u + half][word + 1u] = high_0.y;
  fixed_x[run][4u * 0u + half + 2u][word] = low_0.x;
  fixed_x[run][4u * 0u + half + 2u][word + 1u] = low_0.y;
  if (word == 0u) {
    fixed_x[run][4u * RUN][2u * 0u + half] = bitcast<u32>(sum_0);
  }
  fixed_x[run][4u * 1u + half][word] = high_1.x;
  fixed_x[run][4u * 1u + half][word + 1u] = high_1.y;
  fixed_x[run][4u * 1u + half + 2u][word] = low_1.x;
  fixed_x[run][4u * 1u + half + 2u][word + 1u] = low_1.y;
  if (word == 0u) {
    fixed_x[run][4u * RUN][2u * 1u + half] = bitcast<u32>(sum_1);
  }
  if (place == 0u) {
    fixed_scales[run] = most / LARGEST_FIXED;
  }
}


// The place of x, in vectors, of the eight elements of group `g` of its run that an invocation takes in stage `s`; beyond the last ones, those.
fn staged_at(s: u32, g: u32, invocation: u32) -> u32 {
  let at = s * WORKGROUP + invocation;
  return min((at / 4u * RUN + g) * 8u + at % 4u * 2u, params.groups * 8u - 2u);
}

// x comes later where sums are made of it.
struct FetchedEights {
  x: Eights,
}

alias Fetched = array<FetchedEights, STAGES>;

fn fetch_eights(x_base: u32, s: u32, invocation: u32) -> FetchedEights {
  var fetched: FetchedEights;
  {
    let at_0 = staged_at(s, 0u, invocation);
    fetched.x[0u] = load_x_eight(x_base + at_0);
    let at_1 = staged_at(s, 1u, invocation);
    fetched.x[1u] = load_x_eight(x_base + at_1);
  }
  return fetched;
}

// All that an invocation takes, on its way before any of it is used.
fn fetch_x(x_base: u32, invocation: u32) -> Fetched {
  return Fetched(
    fetch_eights(x_base, 0u, invocation),
  );
}

// To be called by all invocations; ends with a barrier. The first workgroup keeps sums.
fn stage_x(fetched: Fetched, workgroup: u32, invocation: u32, subgroup_size: u32) {
  var x_0 = fetched[0u].x;
  let place_0 = 0u * WORKGROUP + invocation;
  stage_eights(x_0, place_0 / 4u, place_0 % 4u, place_0 < 4u * RUNS);
  workgroupBarrier();
}

fn dot_sixteen(bytes: vec4<u32>, x: vec4<u32>) -> i32 {
  return dot4I8Packed(bytes.x, x.x) + dot4I8Packed(bytes.y, x.y) + dot4I8Packed(bytes.z, x.z) + dot4I8Packed(bytes.w, x.w);
}

// Σ byte · whole number, of a group of weights; and of each half.
fn dot_bytes(bytes: array<vec4<u32>, 2>, x: FixedGroup) -> i32 {
  return 256 * (dot_sixteen(bytes[0], x.high[0]) + dot_sixteen(bytes[1], x.high[1]))
    + dot_sixteen(bytes[0], x.low[0]) + dot_sixteen(bytes[1], x.low[1]);
}

fn dot_halves(bytes: array<vec4<u32>, 2>, x: FixedGroup) -> vec2<i32> {
  return vec2<i32>(
    256 * dot_sixteen(bytes[0], x.high[0]) + dot_sixteen(bytes[0], x.low[0]),
    256 * dot_sixteen(bytes[1], x.high[1]) + dot_sixteen(bytes[1], x.low[1]),
  );
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


struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  scales: u32,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(weights[at], weights[at + 1u], weight_word(row_base, columns / 8u + run));
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let scales = unpack2x16float(raw.scales);
  var first: RawGroup;
  first.numbers = raw.first;
  var second: RawGroup;
  second.numbers = raw.second;
  return x[0].scale * (scales.x * dot_numbers(first, x[0]) + scales.y * dot_numbers(second, x[1]));
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

fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(level_bytes(raw.numbers), x));
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

fn total(sums: Sums, place: Lane, i: u32) -> f32 {
  return sums[i];
}
// x stays in the registers of its lanes, and rows pass by: a workgroup takes BLOCKS · ROWS rows of each of its sets, of STREAMS rows of the matrix a
// block: where they are gated, twice as many.
const WORKGROUP_ROWS: u32 = SETS * BLOCKS * ROWS;
const WORKGROUP_STREAMS: u32 = WORKGROUP_ROWS * STREAMS / ROWS;
const LACKS_ROWS: bool = params.rows % WORKGROUP_ROWS != 0u;

// Of stream `r` of a block, among those of the workgroup.
fn stream_place(block: u32, row_set: u32, r: u32) -> u32 {
  return r / ROWS * WORKGROUP_ROWS + (block * SETS + row_set) * ROWS + r % ROWS;
}

// Of the matrix.
fn stream_row(workgroup: u32, block: u32, row_set: u32, r: u32) -> u32 {
  let row = workgroup * WORKGROUP_ROWS + stream_place(block, row_set, r % ROWS);
  return select(row, min(row, params.rows - 1u), LACKS_ROWS) + r / ROWS * params.rows;
}

// Beyond the last one, nothing.
fn held_run(run: u32) -> FixedRun {
  var held = fixed_run(run_in_range(run));
  if (IS_RAGGED && run >= RUNS) {
    held[0].scale = 0.0;
  }
  return held;
}

var<workgroup> stream_sums: array<f32, SPLITS * WORKGROUP_STREAMS>;

// Sums of four streams over the lanes: half of the lanes go on with two of them, a quarter with one.
fn leave_streams(sums: vec4<f32>, place: Lane, block: u32) {
  let is_late = (place.lane & (LANES / 2u)) != 0u;
  let is_odd = (place.lane & (LANES / 4u)) != 0u;
  let two = select(sums.xy, sums.zw, is_late) + subgroupShuffleXor(select(sums.zw, sums.xy, is_late), LANES / 2u);
  var one = select(two.x, two.y, is_odd) + subgroupShuffleXor(select(two.y, two.x, is_odd), LANES / 4u);
  for (var step = LANES / 8u; step > 0u; step /= 2u) {
    one += subgroupShuffleXor(one, step);
  }
  if (place.lane % (LANES / 4u) == 0u) {
    let stream = select(0u, 2u, is_late) + select(0u, 1u, is_odd);
    stream_sums[place.split * WORKGROUP_STREAMS + stream_place(block, place.row_set, stream)] = one;
  }
}

// Over all splits.
fn stream_total(i: u32) -> f32 {
  var total = stream_sums[i];
  for (var s = 1u; s < SPLITS; s++) {
    total += stream_sums[s * WORKGROUP_STREAMS + i];
  }
  return total;
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
  // x is waited for first, so it is fetched first; but not where sums are made of it, which wait by themselves.
  let fetched = fetch_x(x_base, invocation);
  let first_run = place.split * LANES + place.lane;
  // Weights of the first block are on their way while x is staged.
  let start_0 = run_in_range(0u * TURN_RUNS + first_run);
  let row_0 = stream_row(index, 0u, place.row_set, 0u);
  var raw_0_0 = load_run(row_0 * params.row_vec4s, start_0, params.groups * 32u);
  let row_1 = stream_row(index, 0u, place.row_set, 1u);
  var raw_1_0 = load_run(row_1 * params.row_vec4s, start_0, params.groups * 32u);
  let row_2 = stream_row(index, 0u, place.row_set, 2u);
  var raw_2_0 = load_run(row_2 * params.row_vec4s, start_0, params.groups * 32u);
  let row_3 = stream_row(index, 0u, place.row_set, 3u);
  var raw_3_0 = load_run(row_3 * params.row_vec4s, start_0, params.groups * 32u);
  stage_x(fetched, index, invocation, subgroup_size);
  let x_0 = held_run(0u * TURN_RUNS + first_run);
  for (var block = 0u; block < BLOCKS; block++) {
    var sums: vec4<f32>;
    let now_0_0 = raw_0_0;
    let now_1_0 = raw_1_0;
    let now_2_0 = raw_2_0;
    let now_3_0 = raw_3_0;
    if (block + 1u < BLOCKS) {
      let row_0 = stream_row(index, block + 1u, place.row_set, 0u);
      raw_0_0 = load_run(row_0 * params.row_vec4s, start_0, params.groups * 32u);
      let row_1 = stream_row(index, block + 1u, place.row_set, 1u);
      raw_1_0 = load_run(row_1 * params.row_vec4s, start_0, params.groups * 32u);
      let row_2 = stream_row(index, block + 1u, place.row_set, 2u);
      raw_2_0 = load_run(row_2 * params.row_vec4s, start_0, params.groups * 32u);
      let row_3 = stream_row(index, block + 1u, place.row_set, 3u);
      raw_3_0 = load_run(row_3 * params.row_vec4s, start_0, params.groups * 32u);
    }
    var sum_0 = 0.0;
    sum_0 += dot_run(now_0_0, x_0);
    sums[0u] = sum_0;
    var sum_1 = 0.0;
    sum_1 += dot_run(now_1_0, x_0);
    sums[1u] = sum_1;
    var sum_2 = 0.0;
    sum_2 += dot_run(now_2_0, x_0);
    sums[2u] = sum_2;
    var sum_3 = 0.0;
    sum_3 += dot_run(now_3_0, x_0);
    sums[3u] = sum_3;
    leave_streams(sums, place, block);
  }
  workgroupBarrier();
  var rms = 1.0;
  for (var i = invocation; i < WORKGROUP_ROWS; i += WORKGROUP) {
    let row = index * WORKGROUP_ROWS + i;
    if (row < params.rows) {
      var up = 0.0;
      var before = 0.0;
      finish(row, stream_total(i), up, rms, before);
    }
  }
}
