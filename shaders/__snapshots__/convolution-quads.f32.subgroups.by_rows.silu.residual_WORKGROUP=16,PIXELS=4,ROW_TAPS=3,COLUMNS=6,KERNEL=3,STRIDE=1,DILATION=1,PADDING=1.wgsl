enable subgroups;
const WORKGROUP: u32 = 16u;
const PIXELS: u32 = 4u;
const ROW_TAPS: u32 = 3u;
const COLUMNS: u32 = 6u;
const KERNEL: u32 = 3u;
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
const params = Params(5u, 6u, 9u, 17u, 5u, 925u, 7u, 9u, 17u, 5u, 5u, 1996u, 5u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> weights: array<WeightMat>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// What follows the sums of a convolution: bias, activation, residual, and the place in the arena.
fn finish(sum: vec4<f32>, row: u32, column: u32, group: u32) {
  if (row >= params.out_height || column >= params.out_width) {
    return;
  }
  let channel_group = group;
  let pixel = row * params.out_width + column;
  var value = sum + bias[channel_group];
  value = value / (1.0 + exp(-value));
  value += vec4<f32>(arena[params.residual_offset + pixel * params.residual_stride + channel_group]);
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
// of the four pixels that grow from a pixel. prelu: slopes follow the biases.

const TAPS = KERNEL * KERNEL;

// Where a tap of an output pixel reads: the arena's element of channel group 0, or 0 outside the map. Past the output's edge it may be
// any pixel: `finish` throws the sum away.
fn source(row: u32, column: u32, tap: u32) -> u32 {
  // Wraps below zero at the upper and left border, and so fails the comparison too.
  let y = row * STRIDE + tap / KERNEL * DILATION - PADDING;
  let x = column * STRIDE + tap % KERNEL * DILATION - PADDING;
  let inside = y < params.in_height && x < params.in_width;
  return select(0u, params.in_offset + (y * params.in_width + x) * params.in_stride, inside);
}

// A matrix of weights that the four invocations of a quad share: each loads a quarter of it, a row. Times a vector from the left.
fn shared_weights(at: u32, row: u32) -> mat4x4<f32> {
  let own = vec4<f32>(
    f32(weights[at][0][row]), f32(weights[at][1][row]), f32(weights[at][2][row]), f32(weights[at][3][row]),
  );
  return mat4x4<f32>(
    quadBroadcast(own, 0u), quadBroadcast(own, 1u), quadBroadcast(own, 2u), quadBroadcast(own, 3u),
  );
}

// Four pixels of a row by eight channels an invocation, without barriers. All of a workgroup have the same channels and share the loads of
// weights, which are what a software adapter spends its time on. by_rows: the pixels under a row of taps are loaded once.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
  let index = linear_workgroup(workgroup, workgroups);
  let quads = (params.out_width + 3u) / 4u;
  let workgroups_a_group = (quads * params.out_height + WORKGROUP - 1u) / WORKGROUP;
  let group = index / workgroups_a_group * 2u;
  if (group >= params.weight_groups) {
    return;
  }
  let place = index % workgroups_a_group * WORKGROUP + lane;
  let row = place / quads;
  let column = place % quads * 4u;
  let quarter = subgroup_lane % 4u;
  var a_0: vec4<f32>;
  var b_0: vec4<f32>;
  var a_1: vec4<f32>;
  var b_1: vec4<f32>;
  var a_2: vec4<f32>;
  var b_2: vec4<f32>;
  var a_3: vec4<f32>;
  var b_3: vec4<f32>;
  var weight = group * TAPS * params.in_groups;
  // Where the groups are odd in number the last one is done twice, and stored once.
  let other = select(0u, TAPS * params.in_groups, group + 1u < params.weight_groups);
  for (var tap = 0u; tap < TAPS; tap += ROW_TAPS) {
    var at_0 = source(row, column + 0u, tap);
    // A pixel outside stays at the arena's zero.
    let step_0 = min(at_0, 1u);
    var at_1 = source(row, column + 1u, tap);
    // A pixel outside stays at the arena's zero.
    let step_1 = min(at_1, 1u);
    var at_2 = source(row, column + 2u, tap);
    // A pixel outside stays at the arena's zero.
    let step_2 = min(at_2, 1u);
    var at_3 = source(row, column + 3u, tap);
    // A pixel outside stays at the arena's zero.
    let step_3 = min(at_3, 1u);
    var at_4 = source(row, column + 4u, tap);
    // A pixel outside stays at the arena's zero.
    let step_4 = min(at_4, 1u);
    var at_5 = source(row, column + 5u, tap);
    // A pixel outside stays at the arena's zero.
    let step_5 = min(at_5, 1u);
    for (var c = 0u; c < params.in_groups; c += 1u) {
      let x_0 = vec4<f32>(arena[at_0]);
      at_0 += step_0;
      let x_1 = vec4<f32>(arena[at_1]);
      at_1 += step_1;
      let x_2 = vec4<f32>(arena[at_2]);
      at_2 += step_2;
      let x_3 = vec4<f32>(arena[at_3]);
      at_3 += step_3;
      let x_4 = vec4<f32>(arena[at_4]);
      at_4 += step_4;
      let x_5 = vec4<f32>(arena[at_5]);
      at_5 += step_5;
      let w = shared_weights(weight, quarter);
      let v = shared_weights(weight + other, quarter);
      a_0 += x_0 * w;
      b_0 += x_0 * v;
      a_1 += x_1 * w;
      b_1 += x_1 * v;
      a_2 += x_2 * w;
      b_2 += x_2 * v;
      a_3 += x_3 * w;
      b_3 += x_3 * v;
      let w1 = shared_weights(weight + params.in_groups, quarter);
      let v1 = shared_weights(weight + params.in_groups + other, quarter);
      a_0 += x_1 * w1;
      a_1 += x_2 * w1;
      a_2 += x_3 * w1;
      a_3 += x_4 * w1;
      b_0 += x_1 * v1;
      b_1 += x_2 * v1;
      b_2 += x_3 * v1;
      b_3 += x_4 * v1;
      let w2 = shared_weights(weight + 2u * params.in_groups, quarter);
      let v2 = shared_weights(weight + 2u * params.in_groups + other, quarter);
      a_0 += x_2 * w2;
      a_1 += x_3 * w2;
      a_2 += x_4 * w2;
      a_3 += x_5 * w2;
      b_0 += x_2 * v2;
      b_1 += x_3 * v2;
      b_2 += x_4 * v2;
      b_3 += x_5 * v2;
      weight += 1u;
    }
    weight += (ROW_TAPS - 1u) * params.in_groups;
  }
  finish(a_0, row, column + 0u, group);
  finish(a_1, row, column + 1u, group);
  finish(a_2, row, column + 2u, group);
  finish(a_3, row, column + 3u, group);
  if (other == 0u) {
    return;
  }
  finish(b_0, row, column + 0u, group + 1u);
  finish(b_1, row, column + 1u, group + 1u);
  finish(b_2, row, column + 2u, group + 1u);
  finish(b_3, row, column + 3u, group + 1u);
}
