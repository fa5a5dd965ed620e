const WORKGROUP: u32 = 4u;
const PIXELS: u32 = 8u;
const GROUPS: u32 = 4u;
const ROW_TAPS: u32 = 1u;
const COLUMN_STEP: u32 = 1u;
const COLUMNS: u32 = 8u;
const KERNEL: u32 = 1u;
const STRIDE: u32 = 1u;
const DILATION: u32 = 1u;
const PADDING: u32 = 0u;
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
// What follows the sums of a convolution: bias, activation, residual, and the place in the arena.
// grows: the residual is half as high and wide, and is added before the activation.
fn finish(sum: vec4<f32>, row: u32, column: u32, group: u32) {
  if (row >= params.out_height || column >= params.out_width) {
    return;
  }
  let channel_group = group;
  let pixel = row * params.out_width + column;
  var value = sum + bias[channel_group];
  value = value / (1.0 + exp(-value));
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

fn load_weights(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(weights[at]);
}

fn load_pixel(at: u32) -> vec4<f32> {
  return vec4<f32>(arena[at]);
}

// PIXELS of a row by GROUPS groups of channels an invocation, without barriers. All of a workgroup have the same channels and share the
// loads of weights. The pixels under a row of ROW_TAPS taps are loaded once. A software adapter spends its time on loads, and on what it
// does to every sum once a turn of a loop: hence many sums, and many taps a turn.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
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
  var sum_5_0: vec4<f32>;
  var sum_6_0: vec4<f32>;
  var sum_7_0: vec4<f32>;
  // Past the last group it is done again, and not stored.
  let group_1 = min(1u, params.weight_groups - 1u - group);
  var sum_0_1: vec4<f32>;
  var sum_1_1: vec4<f32>;
  var sum_2_1: vec4<f32>;
  var sum_3_1: vec4<f32>;
  var sum_4_1: vec4<f32>;
  var sum_5_1: vec4<f32>;
  var sum_6_1: vec4<f32>;
  var sum_7_1: vec4<f32>;
  // Past the last group it is done again, and not stored.
  let group_2 = min(2u, params.weight_groups - 1u - group);
  var sum_0_2: vec4<f32>;
  var sum_1_2: vec4<f32>;
  var sum_2_2: vec4<f32>;
  var sum_3_2: vec4<f32>;
  var sum_4_2: vec4<f32>;
  var sum_5_2: vec4<f32>;
  var sum_6_2: vec4<f32>;
  var sum_7_2: vec4<f32>;
  // Past the last group it is done again, and not stored.
  let group_3 = min(3u, params.weight_groups - 1u - group);
  var sum_0_3: vec4<f32>;
  var sum_1_3: vec4<f32>;
  var sum_2_3: vec4<f32>;
  var sum_3_3: vec4<f32>;
  var sum_4_3: vec4<f32>;
  var sum_5_3: vec4<f32>;
  var sum_6_3: vec4<f32>;
  var sum_7_3: vec4<f32>;
  var x: array<vec4<f32>, COLUMNS>;
  var weight = group * TAPS * params.in_groups;
  for (var tap = 0u; tap < TAPS; tap += ROW_TAPS) {
    let y = row * STRIDE + tap / KERNEL * DILATION - PADDING;
    let left = column * STRIDE + tap % KERNEL * DILATION - PADDING;
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
    var at_6 = input_pixel(y, left + 6u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_6 = min(at_6, 1u);
    var at_7 = input_pixel(y, left + 7u * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_7 = min(at_7, 1u);
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
      x[6u] = load_pixel(at_6);
      at_6 += step_6;
      x[7u] = load_pixel(at_7);
      at_7 += step_7;
      let w_0_0 = load_weights(weight + (group_0 * TAPS + 0u) * params.in_groups);
      sum_0_0 += w_0_0 * x[0u * (STRIDE / COLUMN_STEP) + 0u];
      sum_1_0 += w_0_0 * x[1u * (STRIDE / COLUMN_STEP) + 0u];
      sum_2_0 += w_0_0 * x[2u * (STRIDE / COLUMN_STEP) + 0u];
      sum_3_0 += w_0_0 * x[3u * (STRIDE / COLUMN_STEP) + 0u];
      sum_4_0 += w_0_0 * x[4u * (STRIDE / COLUMN_STEP) + 0u];
      sum_5_0 += w_0_0 * x[5u * (STRIDE / COLUMN_STEP) + 0u];
      sum_6_0 += w_0_0 * x[6u * (STRIDE / COLUMN_STEP) + 0u];
      sum_7_0 += w_0_0 * x[7u * (STRIDE / COLUMN_STEP) + 0u];
      let w_0_1 = load_weights(weight + (group_1 * TAPS + 0u) * params.in_groups);
      sum_0_1 += w_0_1 * x[0u * (STRIDE / COLUMN_STEP) + 0u];
      sum_1_1 += w_0_1 * x[1u * (STRIDE / COLUMN_STEP) + 0u];
      sum_2_1 += w_0_1 * x[2u * (STRIDE / COLUMN_STEP) + 0u];
      sum_3_1 += w_0_1 * x[3u * (STRIDE / COLUMN_STEP) + 0u];
      sum_4_1 += w_0_1 * x[4u * (STRIDE / COLUMN_STEP) + 0u];
      sum_5_1 += w_0_1 * x[5u * (STRIDE / COLUMN_STEP) + 0u];
      sum_6_1 += w_0_1 * x[6u * (STRIDE / COLUMN_STEP) + 0u];
      sum_7_1 += w_0_1 * x[7u * (STRIDE / COLUMN_STEP) + 0u];
      let w_0_2 = load_weights(weight + (group_2 * TAPS + 0u) * params.in_groups);
      sum_0_2 += w_0_2 * x[0u * (STRIDE / COLUMN_STEP) + 0u];
      sum_1_2 += w_0_2 * x[1u * (STRIDE / COLUMN_STEP) + 0u];
      sum_2_2 += w_0_2 * x[2u * (STRIDE / COLUMN_STEP) + 0u];
      sum_3_2 += w_0_2 * x[3u * (STRIDE / COLUMN_STEP) + 0u];
      sum_4_2 += w_0_2 * x[4u * (STRIDE / COLUMN_STEP) + 0u];
      sum_5_2 += w_0_2 * x[5u * (STRIDE / COLUMN_STEP) + 0u];
      sum_6_2 += w_0_2 * x[6u * (STRIDE / COLUMN_STEP) + 0u];
      sum_7_2 += w_0_2 * x[7u * (STRIDE / COLUMN_STEP) + 0u];
      let w_0_3 = load_weights(weight + (group_3 * TAPS + 0u) * params.in_groups);
      sum_0_3 += w_0_3 * x[0u * (STRIDE / COLUMN_STEP) + 0u];
      sum_1_3 += w_0_3 * x[1u * (STRIDE / COLUMN_STEP) + 0u];
      sum_2_3 += w_0_3 * x[2u * (STRIDE / COLUMN_STEP) + 0u];
      sum_3_3 += w_0_3 * x[3u * (STRIDE / COLUMN_STEP) + 0u];
      sum_4_3 += w_0_3 * x[4u * (STRIDE / COLUMN_STEP) + 0u];
      sum_5_3 += w_0_3 * x[5u * (STRIDE / COLUMN_STEP) + 0u];
      sum_6_3 += w_0_3 * x[6u * (STRIDE / COLUMN_STEP) + 0u];
      sum_7_3 += w_0_3 * x[7u * (STRIDE / COLUMN_STEP) + 0u];
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
  sums[0u * PIXELS + 5u] = sum_5_0;
  sums[0u * PIXELS + 6u] = sum_6_0;
  sums[0u * PIXELS + 7u] = sum_7_0;
  sums[1u * PIXELS + 0u] = sum_0_1;
  sums[1u * PIXELS + 1u] = sum_1_1;
  sums[1u * PIXELS + 2u] = sum_2_1;
  sums[1u * PIXELS + 3u] = sum_3_1;
  sums[1u * PIXELS + 4u] = sum_4_1;
  sums[1u * PIXELS + 5u] = sum_5_1;
  sums[1u * PIXELS + 6u] = sum_6_1;
  sums[1u * PIXELS + 7u] = sum_7_1;
  sums[2u * PIXELS + 0u] = sum_0_2;
  sums[2u * PIXELS + 1u] = sum_1_2;
  sums[2u * PIXELS + 2u] = sum_2_2;
  sums[2u * PIXELS + 3u] = sum_3_2;
  sums[2u * PIXELS + 4u] = sum_4_2;
  sums[2u * PIXELS + 5u] = sum_5_2;
  sums[2u * PIXELS + 6u] = sum_6_2;
  sums[2u * PIXELS + 7u] = sum_7_2;
  sums[3u * PIXELS + 0u] = sum_0_3;
  sums[3u * PIXELS + 1u] = sum_1_3;
  sums[3u * PIXELS + 2u] = sum_2_3;
  sums[3u * PIXELS + 3u] = sum_3_3;
  sums[3u * PIXELS + 4u] = sum_4_3;
  sums[3u * PIXELS + 5u] = sum_5_3;
  sums[3u * PIXELS + 6u] = sum_6_3;
  sums[3u * PIXELS + 7u] = sum_7_3;
  for (var i = 0u; i < PIXELS * min(GROUPS, params.weight_groups - group); i += 1u) {
    finish(sums[i], row, column + i % PIXELS, group + i / PIXELS);
  }
}
