enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const PIXEL_SUBGROUPS: u32 = 2u;
const OUTPUT_SUBGROUPS: u32 = 1u;
const SPLITS: u32 = 2u;
const M_FRAGMENTS: u32 = 2u;
const N_FRAGMENTS: u32 = 2u;
const DEPTH: u32 = 1u;
const KERNEL: u32 = 1u;
const STRIDE: u32 = 1u;
const TAPS: u32 = 1u;
const PATCH_LOADS: u32 = 4u;
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
const params = Params(5u, 9u, 6u, 19u, 8u, 1033u, 7u, 6u, 19u, 5u, 20u, 0u, 0u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> weights: array<Fragment>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f16>;
alias WeightMat = mat4x4<f16>;
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
  var value = sum + bias[channel_group];
  let slope = bias[params.out_groups + channel_group];
  value = max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
  arena[params.out_offset + pixel * params.out_stride + channel_group] = MapVec4(value);
}
// A convolution by subgroup matrices: implicit GEMM of fragments, 16 pixels × 16 input channels times 16 input × 16 output channels, with
// sums in single precision. Weights stand as fragments [output block][tap][input block][16 outputs][16 inputs] and come straight from the
// buffer: every one is read once by a subgroup. A patch of the map, with its border, lies in workgroup memory for all taps at once:
// a tap is the same patch, read from another pixel on.
//
// A workgroup has PIXEL_SUBGROUPS × OUTPUT_SUBGROUPS × SPLITS subgroups. Splits share the input channels of a patch among them, for maps
// too small to fill the GPU by their pixels; their sums meet in workgroup memory.
//
// What a fragment is loaded from is an array of its own, so that its place in there is a constant, which needs no check at run time: see
// matrix-tiles.
//
// flat: 1 × 1, where a fragment is any 16 pixels one behind another; else 16 pixels of a row, fragments below each other.

const EDGE: u32 = 16u;
const WORKGROUP: u32 = 32u * PIXEL_SUBGROUPS * OUTPUT_SUBGROUPS * SPLITS;
const PIXEL_FRAGMENTS: u32 = PIXEL_SUBGROUPS * M_FRAGMENTS;
const PIXELS: u32 = PIXEL_FRAGMENTS * EDGE;
const OUTPUT_BLOCKS: u32 = OUTPUT_SUBGROUPS * N_FRAGMENTS;
const BLOCKS: u32 = (params.in_groups + 3u) / 4u;
const ALL_OUTPUT_BLOCKS: u32 = (params.weight_groups + 3u) / 4u;
// Channel groups of a patch, those of a split, and patches one after another.
const CHUNK_GROUPS: u32 = SPLIT_GROUPS * SPLITS;
const SPLIT_GROUPS: u32 = 4u * DEPTH;
const CHUNKS: u32 = (BLOCKS + SPLITS * DEPTH - 1u) / (SPLITS * DEPTH);
// Pixels are 16 bytes longer than they need be: neighbouring ones start in other banks.
const PITCH: u32 = SPLIT_GROUPS + 2u;
// Sums: pixels likewise.
const SUM_PITCH: u32 = OUTPUT_BLOCKS * 4u + 2u;
const PATCH_WIDTH: u32 = EDGE;
const PATCH_ROWS: u32 = PIXEL_FRAGMENTS;

alias Fragment = array<vec4<f16>, EDGE * EDGE / 4u>;
alias PatchRow = array<vec4<f16>, PATCH_WIDTH * PITCH>;
var<workgroup> patch_tile: array<PatchRow, PATCH_ROWS * SPLITS>;
var<workgroup> sum_tile: array<vec4<f32>, SPLITS * PIXELS * SUM_PITCH>;

// Channel group `i` of the patch: zero outside the map and past the last channel.
fn load_patch(tile: u32, chunk: u32, i: u32) -> vec4<f16> {
  let pixel = i / CHUNK_GROUPS;
  let group = chunk * CHUNK_GROUPS + i % CHUNK_GROUPS;
  let place = tile * PIXELS + pixel;
  let inside = place < params.in_height * params.in_width;
  return arena[select(0u, params.in_offset + place * params.in_stride + group, inside && group < params.in_groups)];
}

fn store_patch(i: u32, value: vec4<f16>) {
  let pixel = i / CHUNK_GROUPS;
  let group = i % CHUNK_GROUPS;
  if (pixel < PATCH_ROWS * PATCH_WIDTH) {
    let row = &patch_tile[pixel / PATCH_WIDTH * SPLITS + group / SPLIT_GROUPS];
    row[pixel % PATCH_WIDTH * PITCH + group % SPLIT_GROUPS] = value;
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let tile = workgroup.x;
  let first_fragment = subgroup % PIXEL_SUBGROUPS * M_FRAGMENTS;
  let first_output = subgroup / PIXEL_SUBGROUPS % OUTPUT_SUBGROUPS * N_FRAGMENTS;
  let split = subgroup / (PIXEL_SUBGROUPS * OUTPUT_SUBGROUPS);
  // Past the last block sums are thrown away: any weight will do.
  let block_0 = min(workgroup.y * OUTPUT_BLOCKS + first_output + 0u, ALL_OUTPUT_BLOCKS - 1u) * TAPS * BLOCKS;
  // Past the last block sums are thrown away: any weight will do.
  let block_1 = min(workgroup.y * OUTPUT_BLOCKS + first_output + 1u, ALL_OUTPUT_BLOCKS - 1u) * TAPS * BLOCKS;
  var sums_0_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_0_1: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_1_0: subgroup_matrix_result<f32, EDGE, EDGE>;
  var sums_1_1: subgroup_matrix_result<f32, EDGE, EDGE>;

  var loaded_0 = load_patch(tile, 0u, 0u * WORKGROUP + invocation);
  var loaded_1 = load_patch(tile, 0u, 1u * WORKGROUP + invocation);
  var loaded_2 = load_patch(tile, 0u, 2u * WORKGROUP + invocation);
  var loaded_3 = load_patch(tile, 0u, 3u * WORKGROUP + invocation);
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    workgroupBarrier();
    store_patch(0u * WORKGROUP + invocation, loaded_0);
    store_patch(1u * WORKGROUP + invocation, loaded_1);
    store_patch(2u * WORKGROUP + invocation, loaded_2);
    store_patch(3u * WORKGROUP + invocation, loaded_3);
    workgroupBarrier();
    if (chunk + 1u < CHUNKS) {
      loaded_0 = load_patch(tile, chunk + 1u, 0u * WORKGROUP + invocation);
      loaded_1 = load_patch(tile, chunk + 1u, 1u * WORKGROUP + invocation);
      loaded_2 = load_patch(tile, chunk + 1u, 2u * WORKGROUP + invocation);
      loaded_3 = load_patch(tile, chunk + 1u, 3u * WORKGROUP + invocation);
    }
    {
      // Past the last block the patch is zero.
      let channel_block = min((chunk * SPLITS + split) * DEPTH + 0u, BLOCKS - 1u);
      {
        let weights_0 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
          &weights[block_0 + 0u * BLOCKS + channel_block], 0u, EDGE / 4u);
        let weights_1 = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
          &weights[block_1 + 0u * BLOCKS + channel_block], 0u, EDGE / 4u);
        let pixels_0 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
          &patch_tile[((first_fragment + 0u) * STRIDE + 0u / KERNEL) * SPLITS + split],
          0u % KERNEL * PITCH + 0u * 4u,
          STRIDE * PITCH);
        sums_0_0 = subgroupMatrixMultiplyAccumulate(pixels_0, weights_0, sums_0_0);
        sums_0_1 = subgroupMatrixMultiplyAccumulate(pixels_0, weights_1, sums_0_1);
        let pixels_1 = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
          &patch_tile[((first_fragment + 1u) * STRIDE + 0u / KERNEL) * SPLITS + split],
          0u % KERNEL * PITCH + 0u * 4u,
          STRIDE * PITCH);
        sums_1_0 = subgroupMatrixMultiplyAccumulate(pixels_1, weights_0, sums_1_0);
        sums_1_1 = subgroupMatrixMultiplyAccumulate(pixels_1, weights_1, sums_1_1);
      }
    }
  }

  subgroupMatrixStore<row_major>(
    &sum_tile,
    (split * PIXELS + (first_fragment + 0u) * EDGE) * SUM_PITCH + (first_output + 0u) * EDGE / 4u,
    sums_0_0,
    SUM_PITCH);
  subgroupMatrixStore<row_major>(
    &sum_tile,
    (split * PIXELS + (first_fragment + 0u) * EDGE) * SUM_PITCH + (first_output + 1u) * EDGE / 4u,
    sums_0_1,
    SUM_PITCH);
  subgroupMatrixStore<row_major>(
    &sum_tile,
    (split * PIXELS + (first_fragment + 1u) * EDGE) * SUM_PITCH + (first_output + 0u) * EDGE / 4u,
    sums_1_0,
    SUM_PITCH);
  subgroupMatrixStore<row_major>(
    &sum_tile,
    (split * PIXELS + (first_fragment + 1u) * EDGE) * SUM_PITCH + (first_output + 1u) * EDGE / 4u,
    sums_1_1,
    SUM_PITCH);
  workgroupBarrier();
  for (var i = invocation; i < PIXELS * OUTPUT_BLOCKS * 4u; i += WORKGROUP) {
    let pixel = i / (OUTPUT_BLOCKS * 4u);
    let column_group = i % (OUTPUT_BLOCKS * 4u);
    let group = workgroup.y * OUTPUT_BLOCKS * 4u + column_group;
    if (group >= params.weight_groups) {
      continue;
    }
    var sum = vec4<f32>();
    for (var s = 0u; s < SPLITS; s++) {
      sum += sum_tile[(s * PIXELS + pixel) * SUM_PITCH + column_group];
    }
    let place = tile * PIXELS + pixel;
    finish(sum, place / params.out_width, place % params.out_width, group);
  }
}
