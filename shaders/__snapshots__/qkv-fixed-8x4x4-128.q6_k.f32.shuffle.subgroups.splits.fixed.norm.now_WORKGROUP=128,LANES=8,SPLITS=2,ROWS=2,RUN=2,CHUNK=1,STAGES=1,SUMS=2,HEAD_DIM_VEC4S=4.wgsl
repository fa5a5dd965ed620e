enable subgroups;
const WORKGROUP: u32 = 128u;
const LANES: u32 = 8u;
const SPLITS: u32 = 2u;
const ROWS: u32 = 2u;
const RUN: u32 = 2u;
const CHUNK: u32 = 1u;
const STAGES: u32 = 1u;
const SUMS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 4u;
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
const params = Params(256u, 8u, 14u, 4u, 2u, 301u, 16u, 0.000009999999747378752f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<Stored>;
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
  let turned = params.rope_dimensions / 8u;
  if (u < turned) {
    return vec2<u32>(u, u + turned);
  }
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
    let first = u * 4u;
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
  let by = transpose(angle);
  return Quads(a * by[0] - b * by[1], b * by[0] + a * by[1]);
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
    let at_1 = staged_at(s, 1u, invocation);
    fetched.x[1u] = load_x_eight(x_base + at_1);
    fetched.norm[1u] = load_norm_eight(at_1);
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
  squares += select(0.0, dot(x_0[1u].a, x_0[1u].a) + dot(x_0[1u].b, x_0[1u].b), place_0 / 4u * RUN + 1u < params.groups);
  x_0[1u] = Eight(x_0[1u].a * fetched[0u].norm[1u].a, x_0[1u].b * fetched[0u].norm[1u].b);
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

// Sums of both halves by their scales: of six bits, below 2^31 each.
fn scaled_sums(bytes: array<vec4<u32>, 2>, bias: i32, s: SignedScales, g: u32, x: FixedGroup) -> vec2<i32> {
  return scales_of(s, g) * (dot_halves(bytes, x) - bias * x.sums);
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

struct RawRun {
  first: vec4<u32>,
  second: vec4<u32>,
  late: vec4<u32>,
  scales: SignedScales,
}

fn load_run(row_base: u32, run: u32, columns: u32) -> RawRun {
  let at = row_base + run * 2u;
  return RawRun(
    weights[at],
    weights[at + 1u],
    weights[row_base + columns / 32u + run],
    load_scales(row_base, columns / 8u + columns / 16u, run, columns),
  );
}

fn dot_run(raw: RawRun, x: FixedRun) -> f32 {
  let first = six_bit_bytes(raw.first, raw.late.xy);
  let second = six_bit_bytes(raw.second, raw.late.zw);
  let sums = vec2<f32>(scaled_sums(first, 32, raw.scales, 0u, x[0])) + vec2<f32>(scaled_sums(second, 32, raw.scales, 1u, x[1]));
  return factor_of(raw.scales) * x[0].scale * (sums.x + sums.y);
}
// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier. The loop counts, so that
// drivers write it out.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var i = 0u; i < firstTrailingBit(LANES); i++) {
    sums[0u] += subgroupShuffleXor(sums[0u], (LANES / 2u) >> i);
    sums[1u] += subgroupShuffleXor(sums[1u], (LANES / 2u) >> i);
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
// Queries, keys and values of one token in one dispatch: RMSNorm, the stacked projection [q; k; v], RoPE, and the write into the
// KV cache. The output comes in units of eight rows: two quads of a head whose components RoPE turns with each other, so that
// sums can be turned where they are made, and a quad of the cache is written whole. staged: what goes to the cache is put at its
// first position. A set of LANES invocations makes ROWS rows
// (lib/lanes); splits: a unit's rows meet in workgroup memory; else a set makes a whole unit. fixed: as in matvec.
// ragged: for caches of MatryoshkaKV. A workgroup makes a whole head: of queries and keys it leaves coefficients of the head's basis, of values the
// first components, as kv-project does for a pass. parts: it makes a part of a head, and leaves what that adds to the coefficients of queries
// and keys, for attention-split to add up.

alias Sums = array<f32, SUMS>;

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
  // Units past the end repeat the last one, and write nothing.
  let head = min(unit / UNITS_PER_HEAD, heads - 1u);
  let u = unit % UNITS_PER_HEAD;
  let is_value = head >= params.heads + params.kv_heads;
  let quads = select(quads_of(u), vec2<u32>(2u * u, 2u * u + 1u), is_value);
  let first_rows = vec2<u32>(head * HEAD_DIM_VEC4S) * 4u + quads * 4u;
  let position = state.position;
  let slot = position;
  // By the last split, whose invocations have the least to do with x.
  let finishes = place.lane == 0u && place.split == SPLITS - 1u && first_row == 0u && unit < heads * UNITS_PER_HEAD;
  var turning: Turning;

  // As in matvec: sums are variables, and the weights of all rows are on their way before the first one is decoded.
  let of_unit_0 = first_row + 0u;
  let row_0 = select(first_rows.x + of_unit_0, first_rows.y + of_unit_0 - 4u, of_unit_0 >= 4u);
  var sum_0 = 0.0;
  let of_unit_1 = first_row + 1u;
  let row_1 = select(first_rows.x + of_unit_1, first_rows.y + of_unit_1 - 4u, of_unit_1 >= 4u);
  var sum_1 = 0.0;
  let fetched = fetch_x(0u, invocation);
  let first_run = place.split * LANES + place.lane;
  var raw_0: RawRun;
  var raw_1: RawRun;
  if (unit < heads * UNITS_PER_HEAD)
  {
    raw_0 = load_run(row_0 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
    raw_1 = load_run(row_1 * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
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
      if (turn + 1u < TURNS) {
        let next = run_in_range(run + TURN_RUNS);
        raw_0 = load_run(row_0 * params.row_vec4s, next, params.groups * 32u);
        raw_1 = load_run(row_1 * params.row_vec4s, next, params.groups * 32u);
      }
      if (!IS_RAGGED || run < RUNS) {
        let x_run = fixed_run(run);
        sum_0 += dot_run(now_0, x_run);
        sum_1 += dot_run(now_1, x_run);
      }
    }
  }
  var sums: Sums;
  sums[0u] = sum_0;
  sums[1u] = sum_1;
  sums = reduce_add(sums, place.lane, subgroup_size);
  leave_split(sums, place);
  if (invocation < SETS * ROWS) {
    made[invocation] = split_total(invocation / ROWS, invocation % ROWS);
  }
  workgroupBarrier();
  if (!finishes) {
    return;
  }
  let at_made = place.row_set * ROWS - first_row;
  var values = Quads(
    vec4<f32>(made[at_made], made[at_made + 1u], made[at_made + 2u], made[at_made + 3u]),
    vec4<f32>(made[at_made + 4u], made[at_made + 5u], made[at_made + 6u], made[at_made + 7u]),
  );
  let rms = inverseSqrt(squares / f32(params.columns) + params.epsilon);
  values.a *= rms;
  values.b *= rms;
  if (is_value) {
    let at = ((head - params.heads - params.kv_heads) * params.context_length + slot) * HEAD_DIM_VEC4S;
    v_cache[at + quads.x] = pack_stored(values.a);
    v_cache[at + quads.y] = pack_stored(values.b);
    return;
  }
  values = turn(values, turning);
  if (head >= params.heads) {
    let at = ((head - params.heads) * params.context_length + slot) * HEAD_DIM_VEC4S;
    k_cache[at + quads.x] = pack_stored(values.a);
    k_cache[at + quads.y] = pack_stored(values.b);
  } else {
    queries[head * HEAD_DIM_VEC4S + quads.x] = values.a;
    queries[head * HEAD_DIM_VEC4S + quads.y] = values.b;
  }
}
