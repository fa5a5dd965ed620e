enable subgroups;
const WORKGROUP: u32 = 4u;
const PIXELS: u32 = 5u;
const GROUPS: u32 = 1u;
const ROW_TAPS: u32 = 2u;
const COLUMN_STEP: u32 = 1u;
const COLUMNS: u32 = 6u;
const KERNEL: u32 = 2u;
const STRIDE: u32 = 1u;
const DILATION: u32 = 1u;
const PADDING: u32 = 1u;
struct Params {
  in_offset: u32,
  in_stride: u32,
  in_height: u32,
  in_width: u32,
  in_groups: u32,
  out_offset: u32,
  out_stride: u32,
  out_height: u32,
  out_width: u32,
  out_groups: u32,
  weight_groups: u32,
  residual_offset: u32,
  residual_stride: u32,
}
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> weights: array<WeightMat>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// Is a row (or column) the first of so many, in the middle, or the last?
fn border_of(at: u32, size: u32) -> u32 {
  return select(select(1u, 2u, at == size - 1u), 0u, at == 0u);
}

// What follows the sums of a convolution: bias, activation, residual, and the place in the arena.
// grows: the residual is half as high and wide, and is added before the activation.
fn finish(sum: vec4<f32>, row: u32, column: u32, group: u32) {
  if (row >= params.out_height || column >= params.out_width) {
    return;
  }
  let channel_group = group % params.out_groups;
  let corner = group / params.out_groups;
  let y = row * 2u + corner / 2u;
  let x = column * 2u + corner % 2u;
  let pixel = y * params.out_width * 2u + x;
  // A bias for each border: outside the map taps lack theirs.
  let border = border_of(y, params.out_height * 2u) * 3u + border_of(x, params.out_width * 2u);
  var value = sum + bias[border * params.out_groups + channel_group];
  let slope = bias[9u * params.out_groups + channel_group];
  value = max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
  arena[params.out_offset + pixel * params.out_stride + channel_group] = MapVec4(value);
}
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// y[k] = activation(sum over taps t and channels c of w[k, t, c] * x[pixel * STRIDE + t, c] + bias[k]) + residual.
// Implicit GEMM: rows are pixels, columns are groups of four output channels, and the depth is taps * input groups; x is never unfolded.
// A weight matrix turns four input channels into four outputs: weights [output group][tap][input group].
// transposed: a 2 x 2 convolution of stride 2 backwards is a 1 x 1 convolution to four times the channels, each quarter of which is one
// of the four pixels that grow from a pixel. windowed: 4 x 4 backwards, where each of the four is made of its own 2 x 2 of the 3 x 3 pixels
// around. prelu: slopes follow the biases.

const TAPS = KERNEL * KERNEL;

// A pixel of the input: the arena's element of its channel group 0, or 0 outside the map.
fn input_pixel(y: u32, x: u32) -> u32 {
  let inside = y < params.in_height && x < params.in_width;
  return select(0u, params.in_offset + (y * params.in_width + x) * params.in_stride, inside);
}

// What a tap of an output pixel reads. Past the output's edge it may be any pixel: `finish` throws the sum away.
fn source(row: u32, column: u32, tap: u32) -> u32 {
  // Wraps below zero at the upper and left border, and so is outside too.
  let y = row * STRIDE + tap / KERNEL * DILATION - PADDING;
  let x = column * STRIDE + tap % KERNEL * DILATION - PADDING;
  return input_pixel(y, x);
}

// The invocation's place in its quad.
var<private> quarter: u32;

// A matrix of weights that the four invocations of a quad share: each loads a column and gets the others by swaps, which is cheaper than
// a broadcast. Invocation q finds the column of channel q ^ i at i, and so takes its pixels' channels in that order.
fn load_weights(at: u32) -> mat4x4<f32> {
  let own = vec4<f32>(weights[at][quarter]);
  return mat4x4<f32>(own, quadSwapX(own), quadSwapY(own), quadSwapDiagonal(own));
}

fn load_pixel(at: u32) -> vec4<f32> {
  let x = vec4<f32>(arena[at]);
  let y = select(x, x.yxwz, (quarter & 1u) == 1u);
  return select(y, y.zwxy, (quarter & 2u) == 2u);
}

// PIXELS of a row by GROUPS groups of channels an invocation, without barriers. All of a workgroup have the same channels and share the
// loads of weights. The pixels under a row of ROW_TAPS taps are loaded once. A software adapter spends its time on loads, and on what it
// does to every sum once a turn of a loop: hence many sums, and many taps a turn.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  quarter = subgroup_lane % 4u;
  let index = linear_workgroup(workgroup, workgroups);
  let runs = (params.out_width + PIXELS - 1u) / PIXELS;
  let workgroups_a_group = (runs * params.out_height + WORKGROUP - 1u) / WORKGROUP;
  let group = index / workgroups_a_group * GROUPS;
  if (group >= params.weight_groups) {
    return;
  }
  let place = index % workgroups_a_group * WORKGROUP + lane;
  let row = place / runs;
  let column = place % runs * PIXELS;
  // Past the last group it is done again, and not stored.
  let group_0 = min(0u, params.weight_groups - 1u - group);
  var sum_0_0: vec4<f32>;
  var sum_1_0: vec4<f32>;
  var sum_2_0: vec4<f32>;
  var sum_3_0: vec4<f32>;
  var sum_4_0: vec4<f32>;
  var x: array<vec4<f32>, COLUMNS>;
  var weight = group * TAPS * params.in_groups;
  for (var tap = 0u; tap < TAPS; tap += ROW_TAPS) {
    // An invocation's groups are of one corner.
    let corner = group / params.out_groups;
    let y = row + tap / KERNEL + corner / 2u - PADDING;
    let left = column + corner % 2u - PADDING;
    var at_0 = input_pixel(y, left + 0u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_0 = min(at_0, 1u);
    var at_1 = input_pixel(y, left + 1u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_1 = min(at_1, 1u);
    var at_2 = input_pixel(y, left + 2u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_2 = min(at_2, 1u);
    var at_3 = input_pixel(y, left + 3u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_3 = min(at_3, 1u);
    var at_4 = input_pixel(y, left + 4u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_4 = min(at_4, 1u);
    var at_5 = input_pixel(y, left + 5u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_5 = min(at_5, 1u);
    for (var c = 0u; c < params.in_groups; c += 1u) {
      x[0u] = load_pixel(at_0);
      at_0 += step_0;
      x[1u] = load_pixel(at_1);
      at_1 += step_1;
      x[2u] = load_pixel(at_2);
      at_2 += step_2;
      x[3u] = load_pixel(at_3);
      at_3 += step_3;
      x[4u] = load_pixel(at_4);
      at_4 += step_4;
      x[5u] = load_pixel(at_5);
      at_5 += step_5;
      let w_0_0 = load_weights(weight + (group_0 * TAPS + 0u) * params.in_groups);
      sum_0_0 += w_0_0 * x[0u * (STRIDE / COLUMN_STEP) + 0u];
      sum_1_0 += w_0_0 * x[1u * (STRIDE / COLUMN_STEP) + 0u];
      sum_2_0 += w_0_0 * x[2u * (STRIDE / COLUMN_STEP) + 0u];
      sum_3_0 += w_0_0 * x[3u * (STRIDE / COLUMN_STEP) + 0u];
      sum_4_0 += w_0_0 * x[4u * (STRIDE / COLUMN_STEP) + 0u];
      let w_1_0 = load_weights(weight + (group_0 * TAPS + 1u) * params.in_groups);
      sum_0_0 += w_1_0 * x[0u * (STRIDE / COLUMN_STEP) + 1u];
      sum_1_0 += w_1_0 * x[1u * (STRIDE / COLUMN_STEP) + 1u];
      sum_2_0 += w_1_0 * x[2u * (STRIDE / COLUMN_STEP) + 1u];
      sum_3_0 += w_1_0 * x[3u * (STRIDE / COLUMN_STEP) + 1u];
      sum_4_0 += w_1_0 * x[4u * (STRIDE / COLUMN_STEP) + 1u];
      weight += 1u;
    }
    weight += (ROW_TAPS - 1u) * params.in_groups;
  }
  // One text of `finish` for all sums: written out, it would take longer to compile than all the rest.
  var sums: array<vec4<f32>, PIXELS * GROUPS>;
  sums[0u * PIXELS + 0u] = sum_0_0;
  sums[0u * PIXELS + 1u] = sum_1_0;
  sums[0u * PIXELS + 2u] = sum_2_0;
  sums[0u * PIXELS + 3u] = sum_3_0;
  sums[0u * PIXELS + 4u] = sum_4_0;
  for (var i = 0u; i < PIXELS * min(GROUPS, params.weight_groups - group); i += 1u) {
    finish(sums[i], row, column + i % PIXELS, group + i / PIXELS);
  }
}
