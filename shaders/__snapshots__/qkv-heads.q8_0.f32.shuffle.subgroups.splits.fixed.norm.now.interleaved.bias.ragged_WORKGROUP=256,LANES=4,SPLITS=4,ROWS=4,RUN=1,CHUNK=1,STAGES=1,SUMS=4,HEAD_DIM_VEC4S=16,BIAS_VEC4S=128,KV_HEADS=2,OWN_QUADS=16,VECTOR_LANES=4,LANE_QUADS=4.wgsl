enable subgroups;
const WORKGROUP: u32 = 256u;
const LANES: u32 = 4u;
const SPLITS: u32 = 4u;
const ROWS: u32 = 4u;
const RUN: u32 = 1u;
const CHUNK: u32 = 1u;
const STAGES: u32 = 1u;
const SUMS: u32 = 4u;
const HEAD_DIM_VEC4S: u32 = 16u;
const BIAS_VEC4S: u32 = 128u;
const KV_HEADS: u32 = 2u;
const OWN_QUADS: u32 = 16u;
const VECTOR_LANES: u32 = 4u;
const LANE_QUADS: u32 = 4u;
struct Params {
  columns: u32,
  groups: u32,
  row_vec4s: u32,
  heads: u32,
  kv_heads: u32,
  context_length: u32,
  rope_dimensions: u32,
  epsilon: f32,
}
const params = Params(64u, 2u, 5u, 4u, 2u, 40u, 64u, 0.000009999999747378752f);
@group(0) @binding(0) var<uniform> state: vec4<u32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(8) var<uniform> bias: array<vec4<f32>, BIAS_VEC4S>;
@group(0) @binding(9) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(10) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
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
// x times the weights of its norm, a group of 32 at a time; `at` is the first of its vectors.

fn multiply_by_norm(a: Group, at: u32) -> Group {
  return Group(
    a[0] * norm_weight[at], a[1] * norm_weight[at + 1u], a[2] * norm_weight[at + 2u], a[3] * norm_weight[at + 3u],
    a[4] * norm_weight[at + 4u], a[5] * norm_weight[at + 5u], a[6] * norm_weight[at + 6u], a[7] * norm_weight[at + 7u],
  );
}
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn fine_row(position: u32) -> u32 {
  return position % 256u;
}

fn coarse_row(position: u32) -> u32 {
  return 256u + position / 256u;
}

fn added_angles(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.y * b.x + a.x * b.y);
}

fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  return added_angles(rope[fine_row(position) * pairs + pair], rope[coarse_row(position) * pairs + pair]);
}
// RoPE (arXiv 2104.09864, section 3.2.2) of a head in units of eight components: two quads that turn with each other. A head has
// HEAD_DIM_VEC4S / 2 of them.

const UNIT_ROWS: u32 = 8u;
const UNITS_PER_HEAD: u32 = HEAD_DIM_VEC4S / 2u;

// The two quads of unit `u`.
fn quads_of(u: u32) -> vec2<u32> {
  return vec2<u32>(2u * u, 2u * u + 1u);
}

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of the tabulated angles that a unit's four pairs turn by (lib/rope-angle): added up when it turns, so that until then nothing waits
// for them.
struct Turning {
  fine: mat4x2<f32>,
  coarse: mat4x2<f32>,
  turns: bool,
}

fn tabulated(first: u32) -> mat4x2<f32> {
  return mat4x2<f32>(rope[first], rope[first + 1u], rope[first + 2u], rope[first + 3u]);
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
    let pairs = params.rope_dimensions / 2u;
    let first = quads.x * 2u;
    turning.fine = tabulated(fine_row(position) * pairs + first);
    turning.coarse = tabulated(coarse_row(position) * pairs + first);
  }
  return turning;
}

// What undoes a turning. Where RoPE's angles have a magnitude, the coarse ones have it: it is taken out again.
fn turned_back(turning: Turning) -> Turning {
  var back = turning;
  for (var i = 0u; i < 4u; i++) {
    let fine = turning.fine[i];
    let coarse = turning.coarse[i];
    back.fine[i] = vec2<f32>(fine.x, -fine.y);
    back.coarse[i] = vec2<f32>(coarse.x, -coarse.y) / dot(coarse, coarse);
  }
  return back;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
  let angle = mat4x2<f32>(
    added_angles(turning.fine[0], turning.coarse[0]), added_angles(turning.fine[1], turning.coarse[1]),
    added_angles(turning.fine[2], turning.coarse[2]), added_angles(turning.fine[3], turning.coarse[3]),
  );
  return Quads(
    vec4<f32>(
      a.x * angle[0].x - a.y * angle[0].y, a.y * angle[0].x + a.x * angle[0].y,
      a.z * angle[1].x - a.w * angle[1].y, a.w * angle[1].x + a.z * angle[1].y,
    ),
    vec4<f32>(
      b.x * angle[2].x - b.y * angle[2].y, b.y * angle[2].x + b.x * angle[2].y,
      b.z * angle[3].x - b.w * angle[3].y, b.w * angle[3].x + b.z * angle[3].y,
    ),
  );
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
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
struct Half {
  both: u32,
  is_second: bool,
}

fn weight_half(row_base: u32, at: u32) -> Half {
  return Half(weight_word(row_base, at >> 1u), (at & 1u) == 1u);
}

fn number_of(half: Half) -> f32 {
  let both = unpack2x16float(half.both);
  return select(both.x, both.y, half.is_second);
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

fn load_norm_eight(at: u32) -> Eight {
  return Eight(norm_weight[at], norm_weight[at + 1u]);
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
  if (place == 0u) {
    fixed_scales[run] = most / LARGEST_FIXED;
  }
}

// Of x, of each subgroup.
const SQUARE_QUADS: u32 = (WORKGROUP / LANES + 3u) / 4u;
var<workgroup> part_squares: array<vec4<f32>, SQUARE_QUADS>;

// Beyond the workgroup's subgroups there are zeros: all loads are under way at once.
fn staged_squares() -> f32 {
  var squares: vec4<f32>;
  for (var i = 0u; i < SQUARE_QUADS; i++) {
    squares += part_squares[i];
  }
  return dot(squares, vec4<f32>(1.0));
}

// The place of x, in vectors, of the eight elements of group `g` of its run that an invocation takes in stage `s`; beyond the last ones, those.
fn staged_at(s: u32, g: u32, invocation: u32) -> u32 {
  let at = s * WORKGROUP + invocation;
  return min((at / 4u * RUN + g) * 8u + at % 4u * 2u, params.groups * 8u - 2u);
}

// x comes later where sums are made of it.
struct FetchedEights {
  x: Eights,
  norm: Eights,
}

alias Fetched = array<FetchedEights, STAGES>;

fn fetch_eights(x_base: u32, s: u32, invocation: u32) -> FetchedEights {
  var fetched: FetchedEights;
  if (s * WORKGROUP + invocation < 4u * RUNS)
  {
    let at_0 = staged_at(s, 0u, invocation);
    fetched.x[0u] = load_x_eight(x_base + at_0);
    fetched.norm[0u] = load_norm_eight(at_0);
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
  var squares = 0.0;
  var x_0 = fetched[0u].x;
  let place_0 = 0u * WORKGROUP + invocation;
  squares += select(0.0, dot(x_0[0u].a, x_0[0u].a) + dot(x_0[0u].b, x_0[0u].b), place_0 / 4u * RUN + 0u < params.groups);
  x_0[0u] = Eight(x_0[0u].a * fetched[0u].norm[0u].a, x_0[0u].b * fetched[0u].norm[0u].b);
  stage_eights(x_0, place_0 / 4u, place_0 % 4u, place_0 < 4u * RUNS);
  let total = subgroupAdd(squares);
  if (invocation % subgroup_size == 0u) {
    let subgroup = invocation / subgroup_size;
    part_squares[subgroup / 4u][subgroup % 4u] = total;
  }
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
// Runs of one group: what a lane fetches at a time is what other kernels fetch.
alias RawRun = RawGroup;

fn load_run(row_base: u32, run: u32, columns: u32) -> RawGroup {
  return load_raw(row_base, run, columns);
}
// A group of 32 weights that share a scale, as it lies: in a product in fixed point a lane takes one at a time.

fn dot_run(raw: RawGroup, x: FixedRun) -> f32 {
  return number_of(raw.scale) * x[0].scale * dot_numbers(raw, x[0]);
}
// weight = scale · q. Planes of a row: 32 signed bytes a group, then a half-precision scale a group.

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 2u;
  return RawGroup(weights[at], weights[at + 1u], weight_half(row_base, columns / 2u + group));
}

fn numbers_of(raw: RawGroup) -> Group {
  return Group(
    signed_bytes(raw.a.x), signed_bytes(raw.a.y), signed_bytes(raw.a.z), signed_bytes(raw.a.w),
    signed_bytes(raw.b.x), signed_bytes(raw.b.y), signed_bytes(raw.b.z), signed_bytes(raw.b.w),
  );
}

fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(array<vec4<u32>, 2>(raw.a, raw.b), x));
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(a, b);
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
// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): HEAD_DIM_VEC4S * 4 basis vectors of a KV head, most important first, in halves.

// From where on the basis of a head stands in the bases of a layer.
fn basis_of(kv_head: u32) -> u32 {
  return kv_head * HEAD_DIM_VEC4S * 4u * HEAD_DIM_VEC4S;
}

// Four components out of their halves.
fn basis_components(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// Components 4 quad to 4 quad + 3 of vector j of the basis from `first` on.
fn basis_quad(first: u32, j: u32, quad: u32) -> vec4<f32> {
  return basis_components(basis[first + j * HEAD_DIM_VEC4S + quad]);
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(first, quad * 4u, i)),
    dot(given, basis_quad(first, quad * 4u + 1u, i)),
    dot(given, basis_quad(first, quad * 4u + 2u, i)),
    dot(given, basis_quad(first, quad * 4u + 3u, i)),
  );
}

// What coefficients 4 i to 4 i + 3 contribute to components 4 quad to 4 quad + 3.
fn unprojected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return mat4x4<f32>(
    basis_quad(first, i * 4u, quad),
    basis_quad(first, i * 4u + 1u, quad),
    basis_quad(first, i * 4u + 2u, quad),
    basis_quad(first, i * 4u + 3u, quad),
  ) * given;
}
// Coefficients of a head in the basis of its keys (MatryoshkaKV), by a workgroup that has OWN_QUADS of the head's quads: VECTOR_LANES neighbours
// take a vector of the basis, which they bring before there is anything to multiply. Which quad of the head the nth one is says `column_of`, of
// the module; `first` is what it counts from.

const HEAD_DIM: u32 = HEAD_DIM_VEC4S * 4u;

var<workgroup> own_quads: array<vec4<f32>, OWN_QUADS>;

// What an invocation takes of its vector.
alias Share = array<vec2<u32>, LANE_QUADS>;

fn bring_share(kv_head: u32, first: u32, invocation: u32) -> Share {
  let vector = min(invocation / VECTOR_LANES, HEAD_DIM - 1u);
  let of_vector = basis_of(kv_head) + vector * HEAD_DIM_VEC4S;
  var share: Share;
  share[0u] = basis[of_vector + column_of(first, 0u * VECTOR_LANES + invocation % VECTOR_LANES)];
  share[1u] = basis[of_vector + column_of(first, 1u * VECTOR_LANES + invocation % VECTOR_LANES)];
  share[2u] = basis[of_vector + column_of(first, 2u * VECTOR_LANES + invocation % VECTOR_LANES)];
  share[3u] = basis[of_vector + column_of(first, 3u * VECTOR_LANES + invocation % VECTOR_LANES)];
  return share;
}

// What the workgroup's quads add to the coefficient of an invocation's vector: for all invocations to call.
fn coefficient_of(share: Share, invocation: u32) -> f32 {
  var sum = 0.0;
  sum += dot(own_quads[0u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[0u]));
  sum += dot(own_quads[1u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[1u]));
  sum += dot(own_quads[2u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[2u]));
  sum += dot(own_quads[3u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[3u]));
  for (var step = VECTOR_LANES / 2u; step > 0u; step /= 2u) {
    sum += subgroupShuffleXor(sum, step);
  }
  return sum;
}

var<workgroup> narrow: array<f32, HEAD_DIM>;

// Of the whole head: as many as `width`, then zeros. Ends with a barrier.
fn make_narrow(share: Share, width: u32, invocation: u32) {
  let sum = coefficient_of(share, invocation);
  let vector = invocation / VECTOR_LANES;
  if (invocation % VECTOR_LANES == 0u && vector < HEAD_DIM) {
    narrow[vector] = select(0.0, sum, vector < width);
  }
  workgroupBarrier();
}

fn narrow_quad(quad: u32) -> vec4<f32> {
  let at = quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}
// How wide keys and values of each KV head are in caches of MatryoshkaKV, in components, and where a head begins: what heads before it take of
// a token. Blocks are those of packed caches.
struct HeadWidths {
  first_key: u32,
  key: u32,
  first_value: u32,
  value: u32,
  first_block: u32,
  blocks: u32,
  // Where the basis of its keys and the mean of its values are in the bases of all layers, where layers lie behind each other.
  basis: u32,
  mean: u32,
}
// Queries, keys and values of one token in one dispatch: RMSNorm, the stacked projection [q; k; v], RoPE, and the write into the
// KV cache. The output comes in units of eight rows: two quads of a head whose components RoPE turns with each other, so that
// sums can be turned where they are made, and a quad of the cache is written whole. staged: what goes to the cache is put at its
// first position. A set of LANES invocations makes ROWS rows
// (lib/lanes); splits: a unit's rows meet in workgroup memory; else a set makes a whole unit. fixed: as in matvec.
// ragged: for caches of MatryoshkaKV. A workgroup makes a whole head: of queries and keys it leaves coefficients of the head's basis, of values the
// first components, as kv-project does for a pass. parts: it makes a part of a head, and leaves what that adds to the coefficients of queries
// and keys, for attention-split to add up.

alias Sums = array<f32, SUMS>;

const OWN_UNITS: u32 = OWN_QUADS / 2u;

// The first quads of the workgroup's units, then the second ones: neighbours in a vector of the basis.
fn column_of(first_unit: u32, nth: u32) -> u32 {
  let quads = quads_of(first_unit + nth % OWN_UNITS);
  return select(quads.x, quads.y, nth >= OWN_UNITS);
}

// Of the rows of the workgroup's units, then the sum of squares.
var<workgroup> made: array<f32, SETS * ROWS + 1u>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_size) subgroup_size: u32,
) {
  let place = lane_of(invocation);
  let heads = params.heads + 2u * params.kv_heads;
  let first_set = linear_workgroup(workgroup, workgroups) * SETS;
  let first_of_unit = (first_set + place.row_set) * ROWS;
  let unit = first_of_unit / UNIT_ROWS;
  let first_row = first_of_unit % UNIT_ROWS;
  // All rows of a workgroup are of one head.
  let head = first_set * ROWS / HEAD_DIM;
  let u = unit % UNITS_PER_HEAD;
  let is_value = head >= params.heads + params.kv_heads;
  let quads = select(quads_of(u), vec2<u32>(2u * u, 2u * u + 1u), is_value);
  let first_rows = vec2<u32>(head * HEAD_DIM_VEC4S) * 4u + quads * 4u;
  let position = state.x;
  let slot = position;
  // By the last split, whose invocations have the least to do with x.
  let finishes = place.lane == 0u && place.split == SPLITS - 1u && first_row == 0u && unit < heads * UNITS_PER_HEAD;
  var turning: Turning;
  // So is the basis, and where coefficients go.
  let kv_head = select((head - params.heads) % params.kv_heads, head / (params.heads / params.kv_heads), head < params.heads);
  let own_first_unit = first_set * ROWS / UNIT_ROWS % UNITS_PER_HEAD;
  let share = bring_share(kv_head, own_first_unit, invocation);
  let widths = head_widths[kv_head];

  // As in matvec: sums are variables, and the weights of all rows are on their way before the first one is decoded.
  let of_unit_0 = first_row + 0u;
  let row_0 = select(first_rows.x + of_unit_0, first_rows.y + of_unit_0 - 4u, of_unit_0 >= 4u);
  var sum_0 = 0.0;
  let of_unit_1 = first_row + 1u;
  let row_1 = select(first_rows.x + of_unit_1, first_rows.y + of_unit_1 - 4u, of_unit_1 >= 4u);
  var sum_1 = 0.0;
  let of_unit_2 = first_row + 2u;
  let row_2 = select(first_rows.x + of_unit_2, first_rows.y + of_unit_2 - 4u, of_unit_2 >= 4u);
  var sum_2 = 0.0;
  let of_unit_3 = first_row + 3u;
  let row_3 = select(first_rows.x + of_unit_3, first_rows.y + of_unit_3 - 4u, of_unit_3 >= 4u);
  var sum_3 = 0.0;
  let fetched = fetch_x(0u, invocation);
  let first_run = place.split * LANES + place.lane;
  var raw_0: RawRun;
  var raw_1: RawRun;
  var raw_2: RawRun;
  var raw_3: RawRun;
  if (unit < heads * UNITS_PER_HEAD)
  {
    raw_0 = load_run(row_0 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
    raw_1 = load_run(row_1 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
    raw_2 = load_run(row_2 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
    raw_3 = load_run(row_3 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
  }
  if (finishes && !is_value) {
    // Behind x, since it waits for the position.
    turning = load_turning(u, quads, position);
  }
  stage_x(fetched, workgroup.x, invocation, subgroup_size);
  // While weights are on their way still.
  let squares = staged_squares();
  for (var first_turn = 0u; first_turn < TURNS; first_turn += CHUNK) {
    {
      let turn = first_turn + 0u;
      let run = turn * TURN_RUNS + first_run;
      let now_0 = raw_0;
      let now_1 = raw_1;
      let now_2 = raw_2;
      let now_3 = raw_3;
      if (turn + 1u < TURNS) {
        let next = run_in_range(run + TURN_RUNS);
        raw_0 = load_run(row_0 * params.row_vec4s, next, params.groups * 32u);
        raw_1 = load_run(row_1 * params.row_vec4s, next, params.groups * 32u);
        raw_2 = load_run(row_2 * params.row_vec4s, next, params.groups * 32u);
        raw_3 = load_run(row_3 * params.row_vec4s, next, params.groups * 32u);
      }
      if (!IS_RAGGED || run < RUNS) {
        let x_run = fixed_run(run);
        sum_0 += dot_run(now_0, x_run);
        sum_1 += dot_run(now_1, x_run);
        sum_2 += dot_run(now_2, x_run);
        sum_3 += dot_run(now_3, x_run);
      }
    }
  }
  var sums: Sums;
  sums[0u] = sum_0;
  sums[1u] = sum_1;
  sums[2u] = sum_2;
  sums[3u] = sum_3;
  sums = reduce_add(sums, place.lane, subgroup_size);
  leave_split(sums, place);
  if (invocation < SETS * ROWS) {
    made[invocation] = split_total(invocation / ROWS, invocation % ROWS);
  }
  workgroupBarrier();
  let at_made = place.row_set * ROWS - first_row;
  var values = Quads(
    vec4<f32>(made[at_made], made[at_made + 1u], made[at_made + 2u], made[at_made + 3u]),
    vec4<f32>(made[at_made + 4u], made[at_made + 5u], made[at_made + 6u], made[at_made + 7u]),
  );
  let rms = inverseSqrt(squares / f32(params.columns) + params.epsilon);
  values.a *= rms;
  values.b *= rms;
  values.a += bias[first_rows.x / 4u];
  values.b += bias[first_rows.y / 4u];
  if (finishes && is_value) {
    let width = widths.value / 4u;
    let at = widths.first_value / 4u * params.context_length + position * width;
    if (quads.x < width) {
      v_cache[at + quads.x] = pack_stored(values.a);
    }
    if (quads.y < width) {
      v_cache[at + quads.y] = pack_stored(values.b);
    }
  }
  if (is_value) {
    return;
  }
  if (finishes) {
    values = turn(values, turning);
    own_quads[at_made / UNIT_ROWS] = values.a;
    own_quads[OWN_UNITS + at_made / UNIT_ROWS] = values.b;
  }
  workgroupBarrier();
  make_narrow(share, widths.key, invocation);
  if (invocation < HEAD_DIM_VEC4S) {
    let quad = narrow_quad(invocation);
    if (head < params.heads) {
      // Read whole: zeros where keys have nothing.
      queries[head * HEAD_DIM_VEC4S + invocation] = quad;
    } else if (invocation < widths.key / 4u) {
      let width = widths.key / 4u;
      k_cache[widths.first_key / 4u * params.context_length + position * width + invocation] = pack_stored(quad);
    }
  }
}
