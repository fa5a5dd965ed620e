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
const params = Params(40u, 96u, 3u, 12u, 0u, 1u, 0f);
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
// A group whose weights have no scale of their own: they are decoded, then multiplied.

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
// Group of 32: four vec4 of two half-precision numbers a word.

fn halves(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 4u;
  return RawGroup(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    halves(raw.a.x, raw.a.y), halves(raw.a.z, raw.a.w), halves(raw.b.x, raw.b.y), halves(raw.b.z, raw.b.w),
    halves(raw.c.x, raw.c.y), halves(raw.c.z, raw.c.w), halves(raw.d.x, raw.d.y), halves(raw.d.z, raw.d.w),
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
