const WORKGROUP: u32 = 64u;
const WINDOW: u32 = 5u;
const STRIDE: u32 = 1u;
struct Params {
  in_offset: u32,
  in_stride: u32,
  in_height: u32,
  in_width: u32,
  out_offset: u32,
  out_stride: u32,
  out_height: u32,
  out_width: u32,
  groups: u32,
}
const params = Params(2u, 4u, 7u, 11u, 310u, 3u, 7u, 11u, 3u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// y = the largest (or the mean) of a window of x, each channel by itself. Outside the map a maximum ignores, and a mean counts zeros.

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linear_workgroup(workgroup, workgroups) * WORKGROUP + lane;
  let group = index % params.groups;
  let pixel = index / params.groups;
  if (pixel >= params.out_height * params.out_width) {
    return;
  }
  let first_row = pixel / params.out_width * STRIDE - WINDOW / 2u;
  let first_column = pixel % params.out_width * STRIDE - WINDOW / 2u;
  var total = vec4<f32>(-3.4e38);
  for (var y = first_row; y != first_row + WINDOW; y += 1u) {
    for (var x = first_column; x != first_column + WINDOW; x += 1u) {
      if (y < params.in_height && x < params.in_width) {
        let value = vec4<f32>(arena[params.in_offset + (y * params.in_width + x) * params.in_stride + group]);
        total = max(total, value);
      }
    }
  }
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(total);
}
