const TILE_PIXELS: u32 = 32u;
const TILE_GROUPS: u32 = 8u;
const PIXELS: u32 = 4u;
const GROUPS: u32 = 1u;
const DEPTH: u32 = 4u;
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
const params = Params(5u, 5u, 6u, 10u, 4u, 307u, 7u, 6u, 10u, 5u, 5u, 727u, 5u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> weights: array<WeightMat>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
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
  let small_pixel = row / 2u * (params.out_width / 2u) + column / 2u;
  value += vec4<f32>(arena[params.residual_offset + small_pixel * params.residual_stride + channel_group]);
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
const PIXEL_LANES = TILE_PIXELS / PIXELS;
const GROUP_LANES = TILE_GROUPS / GROUPS;
const THREADS = PIXEL_LANES * GROUP_LANES;
// A vector more than a pixel needs: lanes that read other pixels read other banks.
const ROW = DEPTH + 1u;
var<workgroup> tile_x: array<vec4<f32>, TILE_PIXELS * ROW>;
var<workgroup> tile_w: array<vec4<f32>, TILE_GROUPS * DEPTH * 4>;

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

// PIXELS pixels by GROUPS groups an invocation, from tiles in workgroup memory: a vector that is read from there serves many sums.
@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let first_pixel = workgroup.x * TILE_PIXELS;
  let first_group = workgroup.y * TILE_GROUPS;
  let depth = TAPS * params.in_groups;
  // Neighbouring lanes have neighbouring groups, and so write side by side.
  let own_group = lane % GROUP_LANES;
  let own_pixel = lane / GROUP_LANES;
  var sum_0_0: vec4<f32>;
  var sum_1_0: vec4<f32>;
  var sum_2_0: vec4<f32>;
  var sum_3_0: vec4<f32>;
  for (var start = 0u; start < depth; start += DEPTH) {
    for (var i = lane; i < TILE_PIXELS * DEPTH; i += THREADS) {
      let pixel = first_pixel + i / DEPTH;
      let k = start + i % DEPTH;
      let at = source(pixel / params.out_width, pixel % params.out_width, k / params.in_groups);
      let inside = at > 0u && k < depth;
      tile_x[i / DEPTH * ROW + i % DEPTH] = vec4<f32>(arena[select(0u, at + k % params.in_groups, inside)]);
    }
    for (var i = lane; i < TILE_GROUPS * DEPTH; i += THREADS) {
      let group = first_group + i / DEPTH;
      let k = start + i % DEPTH;
      // Past the last group or the last tap x or the result is thrown away: any weight will do.
      let matrix = mat4x4<f32>(weights[min(group, params.weight_groups - 1u) * depth + min(k, depth - 1u)]);
      let to = i % DEPTH * 4u * TILE_GROUPS + i / DEPTH;
      tile_w[to] = matrix[0];
      tile_w[to + TILE_GROUPS] = matrix[1];
      tile_w[to + 2u * TILE_GROUPS] = matrix[2];
      tile_w[to + 3u * TILE_GROUPS] = matrix[3];
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d += 1u) {
      let at_0 = d * 4u * TILE_GROUPS + 0u * GROUP_LANES + own_group;
      let w_0 = mat4x4<f32>(
        tile_w[at_0], tile_w[at_0 + TILE_GROUPS], tile_w[at_0 + 2u * TILE_GROUPS], tile_w[at_0 + 3u * TILE_GROUPS],
      );
      let x_0 = tile_x[(0u * PIXEL_LANES + own_pixel) * ROW + d];
      sum_0_0 += w_0 * x_0;
      let x_1 = tile_x[(1u * PIXEL_LANES + own_pixel) * ROW + d];
      sum_1_0 += w_0 * x_1;
      let x_2 = tile_x[(2u * PIXEL_LANES + own_pixel) * ROW + d];
      sum_2_0 += w_0 * x_2;
      let x_3 = tile_x[(3u * PIXEL_LANES + own_pixel) * ROW + d];
      sum_3_0 += w_0 * x_3;
    }
    workgroupBarrier();
  }
  let pixel_0 = first_pixel + 0u * PIXEL_LANES + own_pixel;
  let pixel_1 = first_pixel + 1u * PIXEL_LANES + own_pixel;
  let pixel_2 = first_pixel + 2u * PIXEL_LANES + own_pixel;
  let pixel_3 = first_pixel + 3u * PIXEL_LANES + own_pixel;
  let group_0 = first_group + 0u * GROUP_LANES + own_group;
  if (group_0 < params.weight_groups) {
    finish(sum_0_0, pixel_0 / params.out_width, pixel_0 % params.out_width, group_0);
    finish(sum_1_0, pixel_1 / params.out_width, pixel_1 % params.out_width, group_0);
    finish(sum_2_0, pixel_2 / params.out_width, pixel_2 % params.out_width, group_0);
    finish(sum_3_0, pixel_3 / params.out_width, pixel_3 % params.out_width, group_0);
  }
}
