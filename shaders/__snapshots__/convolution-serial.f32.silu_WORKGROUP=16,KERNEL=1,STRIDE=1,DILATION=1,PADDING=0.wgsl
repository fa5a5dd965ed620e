const WORKGROUP: u32 = 16u;
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
@group(0) @binding(3) var<uniform> params: Params;
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

// Four pixels of a row by eight channels an invocation: no barrier, every weight is used four times and every input eight times.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linear_workgroup(workgroup, workgroups) * WORKGROUP + lane;
  let quads = (params.out_width + 3u) / 4u;
  let group = index / (quads * params.out_height) * 2u;
  if (group >= params.weight_groups) {
    return;
  }
  let row = index / quads % params.out_height;
  let column = index % quads * 4u;
  var a0: vec4<f32>;
  var a1: vec4<f32>;
  var a2: vec4<f32>;
  var a3: vec4<f32>;
  var b0: vec4<f32>;
  var b1: vec4<f32>;
  var b2: vec4<f32>;
  var b3: vec4<f32>;
  var weight = group * TAPS * params.in_groups;
  // Where the groups are odd in number the last one is done twice, and stored once.
  let other = select(0u, TAPS * params.in_groups, group + 1u < params.weight_groups);
  for (var tap = 0u; tap < TAPS; tap += 1u) {
    var p0 = source(row, column, tap);
    var p1 = source(row, column + 1u, tap);
    var p2 = source(row, column + 2u, tap);
    var p3 = source(row, column + 3u, tap);
    // A pixel outside stays at the arena's zero.
    let s0 = min(p0, 1u);
    let s1 = min(p1, 1u);
    let s2 = min(p2, 1u);
    let s3 = min(p3, 1u);
    for (var c = 0u; c < params.in_groups; c += 1u) {
      let x0 = vec4<f32>(arena[p0]);
      let x1 = vec4<f32>(arena[p1]);
      let x2 = vec4<f32>(arena[p2]);
      let x3 = vec4<f32>(arena[p3]);
      let w = mat4x4<f32>(weights[weight]);
      a0 += w * x0;
      a1 += w * x1;
      a2 += w * x2;
      a3 += w * x3;
      let v = mat4x4<f32>(weights[weight + other]);
      b0 += v * x0;
      b1 += v * x1;
      b2 += v * x2;
      b3 += v * x3;
      weight += 1u;
      p0 += s0;
      p1 += s1;
      p2 += s2;
      p3 += s3;
    }
  }
  finish(a0, row, column, group);
  finish(a1, row, column + 1u, group);
  finish(a2, row, column + 2u, group);
  finish(a3, row, column + 3u, group);
  if (other == 0u) {
    return;
  }
  finish(b0, row, column, group + 1u);
  finish(b1, row, column + 1u, group + 1u);
  finish(b2, row, column + 2u, group + 1u);
  finish(b3, row, column + 3u, group + 1u);
}
