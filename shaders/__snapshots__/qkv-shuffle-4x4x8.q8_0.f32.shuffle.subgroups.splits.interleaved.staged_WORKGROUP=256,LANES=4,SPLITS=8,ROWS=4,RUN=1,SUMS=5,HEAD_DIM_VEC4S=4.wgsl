enable subgroups;
const WORKGROUP: u32 = 256u;
const LANES: u32 = 4u;
const SPLITS: u32 = 8u;
const ROWS: u32 = 4u;
const RUN: u32 = 1u;
const SUMS: u32 = 5u;
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
const params = Params(64u, 2u, 5u, 4u, 2u, 40u, 16u, 0.000009999999747378752f);
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
// Decoding of groups of 32 weights that share a scale: weight = scale · number. In a product the scale comes in once, behind the sum.

fn decode(raw: RawGroup) -> Group {
  let n = numbers_of(raw);
  let scale = number_of(raw.scale);
  return Group(n[0] * scale, n[1] * scale, n[2] * scale, n[3] * scale, n[4] * scale, n[5] * scale, n[6] * scale, n[7] * scale);
}

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return number_of(raw.scale) * dot_group(numbers_of(raw), x);
}
// A group of 32 weights that share a scale, as it lies: in a product in fixed point a lane takes one at a time.
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
// Sums over LANES neighbouring invocations of one subgroup, which is at least as large: no workgroup memory, no barrier. The loop counts, so that
// drivers write it out.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  var sums = values;
  for (var i = 0u; i < firstTrailingBit(LANES); i++) {
    sums[0u] += subgroupShuffleXor(sums[0u], (LANES / 2u) >> i);
    sums[1u] += subgroupShuffleXor(sums[1u], (LANES / 2u) >> i);
    sums[2u] += subgroupShuffleXor(sums[2u], (LANES / 2u) >> i);
    sums[3u] += subgroupShuffleXor(sums[3u], (LANES / 2u) >> i);
    sums[4u] += subgroupShuffleXor(sums[4u], (LANES / 2u) >> i);
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
  let slot = 0u;
  // By the last split, whose invocations have the least to do with x.
  let finishes = place.lane == 0u && place.split == SPLITS - 1u && first_row == 0u && unit < heads * UNITS_PER_HEAD;
  var turning: Turning;
  if (finishes && !is_value) {
    // On its way while the sums are made.
    turning = load_turning(u, quads, position);
  }

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
  var square_sum = 0.0;
  for (var turn = 0u; turn < TURNS; turn++) {
    let group = turn * TURN_RUNS + place.split * LANES + place.lane;
    if (IS_RAGGED && group >= params.groups) {
      break;
    }
    let raw_0 = load_raw(row_0 * params.row_vec4s, group, params.groups * 32u);
    let raw_1 = load_raw(row_1 * params.row_vec4s, group, params.groups * 32u);
    let raw_2 = load_raw(row_2 * params.row_vec4s, group, params.groups * 32u);
    let raw_3 = load_raw(row_3 * params.row_vec4s, group, params.groups * 32u);
    var x_group = load_x(group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
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
  sums[ROWS] = square_sum;
  sums = reduce_add(sums, place.lane, subgroup_size);
  leave_split(sums, place);
  if (invocation < SETS * ROWS) {
    made[invocation] = split_total(invocation / ROWS, invocation % ROWS);
  }
  if (invocation == SETS * ROWS) {
    made[invocation] = split_total(0u, ROWS);
  }
  workgroupBarrier();
  if (!finishes) {
    return;
  }
  let at_made = place.row_set * ROWS - first_row;
  let squares = made[SETS * ROWS];
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
