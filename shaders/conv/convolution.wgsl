// y[k] = activation(sum over taps t and channels c of w[k, t, c] * x[pixel * STRIDE + t, c] + bias[k]) + residual.
// Implicit GEMM: rows are pixels, columns are groups of four output channels, and the depth is taps * input groups; x is never unfolded.
// A weight matrix turns four input channels into four outputs: weights [output group][tap][input group].
// transposed: a 2 x 2 convolution of stride 2 backwards is a 1 x 1 convolution to four times the channels, each quarter of which is one
// of the four pixels that grow from a pixel. windowed: 4 x 4 backwards, where each of the four is made of its own 2 x 2 of the 3 x 3 pixels
// around. prelu: slopes follow the biases.
//#import lib/map-{storage}
//#import lib/map-convolution
//#import lib/grid

const TAPS = KERNEL * KERNEL;
//#if tiled
const PIXEL_LANES = TILE_PIXELS / PIXELS;
const GROUP_LANES = TILE_GROUPS / GROUPS;
const THREADS = PIXEL_LANES * GROUP_LANES;
// A vector more than a pixel needs: lanes that read other pixels read other banks.
const ROW = DEPTH + 1u;
var<workgroup> tile_x: array<vec4<f32>, TILE_PIXELS * ROW>;
var<workgroup> tile_w: array<vec4<f32>, TILE_GROUPS * DEPTH * 4>;
//#endif

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

//#if tiled
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
//#repeat P PIXELS
//#repeat G GROUPS
  var sum_P_G: vec4<f32>;
//#endrepeat
//#endrepeat
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
//#repeat G GROUPS
      let at_G = d * 4u * TILE_GROUPS + G * GROUP_LANES + own_group;
      let w_G = mat4x4<f32>(
        tile_w[at_G], tile_w[at_G + TILE_GROUPS], tile_w[at_G + 2u * TILE_GROUPS], tile_w[at_G + 3u * TILE_GROUPS],
      );
//#endrepeat
//#repeat P PIXELS
      let x_P = tile_x[(P * PIXEL_LANES + own_pixel) * ROW + d];
//#repeat G GROUPS
      sum_P_G += w_G * x_P;
//#endrepeat
//#endrepeat
    }
    workgroupBarrier();
  }
//#repeat P PIXELS
  let pixel_P = first_pixel + P * PIXEL_LANES + own_pixel;
//#endrepeat
//#repeat G GROUPS
  let group_G = first_group + G * GROUP_LANES + own_group;
  if (group_G < params.weight_groups) {
//#repeat P PIXELS
    finish(sum_P_G, pixel_P / params.out_width, pixel_P % params.out_width, group_G);
//#endrepeat
  }
//#endrepeat
}
//#else
//#if quads
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
//#else
fn load_weights(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(weights[at]);
}

fn load_pixel(at: u32) -> vec4<f32> {
  return vec4<f32>(arena[at]);
}
//#endif

// PIXELS of a row by GROUPS groups of channels an invocation, without barriers. All of a workgroup have the same channels and share the
// loads of weights. The pixels under a row of ROW_TAPS taps are loaded once. A software adapter spends its time on loads, and on what it
// does to every sum once a turn of a loop: hence many sums, and many taps a turn.
@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
//#if quads
  @builtin(subgroup_invocation_id) subgroup_lane: u32,
//#endif
) {
//#if quads
  quarter = subgroup_lane % 4u;
//#endif
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
//#repeat G GROUPS
  // Past the last group it is done again, and not stored.
  let group_G = min(G, params.weight_groups - 1u - group);
//#repeat P PIXELS
  var sum_P_G: vec4<f32>;
//#endrepeat
//#endrepeat
  var x: array<vec4<f32>, COLUMNS>;
  var weight = group * TAPS * params.in_groups;
  for (var tap = 0u; tap < TAPS; tap += ROW_TAPS) {
//#if windowed
    // An invocation's groups are of one corner.
    let corner = group / params.out_groups;
    let y = row + tap / KERNEL + corner / 2u - PADDING;
    let left = column + corner % 2u - PADDING;
//#else
    let y = row * STRIDE + tap / KERNEL * DILATION - PADDING;
    let left = column * STRIDE + tap % KERNEL * DILATION - PADDING;
//#endif
//#repeat C COLUMNS
    var at_C = input_pixel(y, left + C * COLUMN_STEP);
    // A pixel outside stays at the arena's zero.
    let step_C = min(at_C, 1u);
//#endrepeat
    for (var c = 0u; c < params.in_groups; c += 1u) {
//#repeat C COLUMNS
      x[C] = load_pixel(at_C);
      at_C += step_C;
//#endrepeat
//#repeat T ROW_TAPS
//#repeat G GROUPS
      let w_T_G = load_weights(weight + (group_G * TAPS + T) * params.in_groups);
//#repeat P PIXELS
      sum_P_G += w_T_G * x[P * (STRIDE / COLUMN_STEP) + T];
//#endrepeat
//#endrepeat
//#endrepeat
      weight += 1u;
    }
    weight += (ROW_TAPS - 1u) * params.in_groups;
  }
  // One text of `finish` for all sums: written out, it would take longer to compile than all the rest.
  var sums: array<vec4<f32>, PIXELS * GROUPS>;
//#repeat G GROUPS
//#repeat P PIXELS
  sums[G * PIXELS + P] = sum_P_G;
//#endrepeat
//#endrepeat
  for (var i = 0u; i < PIXELS * min(GROUPS, params.weight_groups - group); i += 1u) {
    finish(sums[i], row, column + i % PIXELS, group + i / PIXELS);
  }
}
//#endif
