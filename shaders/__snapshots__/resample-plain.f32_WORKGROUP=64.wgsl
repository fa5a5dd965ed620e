const WORKGROUP: u32 = 64u;
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
const params = Params(3u, 5u, 3u, 5u, 78u, 4u, 6u, 10u, 3u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// y = x at another size, each channel by itself: the nearest pixel, or bilinear between pixel centres (borders repeat). The same size: a copy.

fn pixel_at(row: u32, column: u32, group: u32) -> vec4<f32> {
  let y = min(row, params.in_height - 1u);
  let x = min(column, params.in_width - 1u);
  return vec4<f32>(arena[params.in_offset + (y * params.in_width + x) * params.in_stride + group]);
}

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
  let row = pixel / params.out_width;
  let column = pixel % params.out_width;
  let value = pixel_at(row * params.in_height / params.out_height, column * params.in_width / params.out_width, group);
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(value);
}
