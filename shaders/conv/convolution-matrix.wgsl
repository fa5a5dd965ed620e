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
//#import lib/map-f16
//#import lib/map-convolution

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
//#if flat
const PATCH_WIDTH: u32 = EDGE;
const PATCH_ROWS: u32 = PIXEL_FRAGMENTS;
//#else
const PADDING: u32 = KERNEL / 2u;
const PATCH_WIDTH: u32 = (EDGE - 1u) * STRIDE + KERNEL;
const PATCH_ROWS: u32 = (PIXEL_FRAGMENTS - 1u) * STRIDE + KERNEL;
const TILES_ACROSS: u32 = (params.out_width + EDGE - 1u) / EDGE;
//#endif

alias Fragment = array<vec4<f16>, EDGE * EDGE / 4u>;
alias PatchRow = array<vec4<f16>, PATCH_WIDTH * PITCH>;
var<workgroup> patch_tile: array<PatchRow, PATCH_ROWS * SPLITS>;
var<workgroup> sum_tile: array<vec4<f32>, SPLITS * PIXELS * SUM_PITCH>;

// Channel group `i` of the patch: zero outside the map and past the last channel.
fn load_patch(tile: u32, chunk: u32, i: u32) -> vec4<f16> {
  let pixel = i / CHUNK_GROUPS;
  let group = chunk * CHUNK_GROUPS + i % CHUNK_GROUPS;
//#if flat
  let place = tile * PIXELS + pixel;
  let inside = place < params.in_height * params.in_width;
//#else
  // Wraps below zero at the upper and left border, and so fails the comparison too.
  let y = tile / TILES_ACROSS * PIXEL_FRAGMENTS * STRIDE + pixel / PATCH_WIDTH - PADDING;
  let x = tile % TILES_ACROSS * EDGE * STRIDE + pixel % PATCH_WIDTH - PADDING;
  let place = y * params.in_width + x;
  let inside = y < params.in_height && x < params.in_width;
//#endif
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
//#repeat N N_FRAGMENTS
  // Past the last block sums are thrown away: any weight will do.
  let block_N = min(workgroup.y * OUTPUT_BLOCKS + first_output + N, ALL_OUTPUT_BLOCKS - 1u) * TAPS * BLOCKS;
//#endrepeat
//#repeat M M_FRAGMENTS
//#repeat N N_FRAGMENTS
  var sums_M_N: subgroup_matrix_result<f32, EDGE, EDGE>;
//#endrepeat
//#endrepeat

//#repeat I PATCH_LOADS
  var loaded_I = load_patch(tile, 0u, I * WORKGROUP + invocation);
//#endrepeat
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    workgroupBarrier();
//#repeat I PATCH_LOADS
    store_patch(I * WORKGROUP + invocation, loaded_I);
//#endrepeat
    workgroupBarrier();
    if (chunk + 1u < CHUNKS) {
//#repeat I PATCH_LOADS
      loaded_I = load_patch(tile, chunk + 1u, I * WORKGROUP + invocation);
//#endrepeat
    }
//#repeat D DEPTH
    {
      // Past the last block the patch is zero.
      let channel_block = min((chunk * SPLITS + split) * DEPTH + D, BLOCKS - 1u);
//#repeat T TAPS
      {
//#repeat N N_FRAGMENTS
        let weights_N = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
          &weights[block_N + T * BLOCKS + channel_block], 0u, EDGE / 4u);
//#endrepeat
//#repeat M M_FRAGMENTS
        let pixels_M = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
          &patch_tile[((first_fragment + M) * STRIDE + T / KERNEL) * SPLITS + split],
          T % KERNEL * PITCH + D * 4u,
          STRIDE * PITCH);
//#repeat N N_FRAGMENTS
        sums_M_N = subgroupMatrixMultiplyAccumulate(pixels_M, weights_N, sums_M_N);
//#endrepeat
//#endrepeat
      }
//#endrepeat
    }
//#endrepeat
  }

//#repeat M M_FRAGMENTS
//#repeat N N_FRAGMENTS
  subgroupMatrixStore<row_major>(
    &sum_tile,
    (split * PIXELS + (first_fragment + M) * EDGE) * SUM_PITCH + (first_output + N) * EDGE / 4u,
    sums_M_N,
    SUM_PITCH);
//#endrepeat
//#endrepeat
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
//#if flat
    let place = tile * PIXELS + pixel;
    finish(sum, place / params.out_width, place % params.out_width, group);
//#else
    finish(
      sum,
      tile / TILES_ACROSS * PIXEL_FRAGMENTS + pixel / EDGE,
      tile % TILES_ACROSS * EDGE + pixel % EDGE,
      group,
    );
//#endif
  }
}
