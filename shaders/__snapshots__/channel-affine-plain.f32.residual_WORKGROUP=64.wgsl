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
  residual_offset: u32,
  residual_stride: u32,
}
const params = Params(2u, 6u, 7u, 11u, 849u, 7u, 7u, 11u, 5u, 464u, 5u);
@group(0) @binding(0) var<storage, read_write> arena: array<MapVec4>;
@group(0) @binding(1) var<storage, read> channels: array<vec4<f32>>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// y = PReLU(scale * (x + residual) + shift), each channel by itself: a batch normalization that no convolution can take up.
// channels: vectors of scales, then of shifts, then of slopes.

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
  var x = vec4<f32>(arena[params.in_offset + pixel * params.in_stride + group]);
  x += vec4<f32>(arena[params.residual_offset + pixel * params.residual_stride + group]);
  let value = channels[group] * x + channels[params.groups + group];
  let slope = channels[2u * params.groups + group];
  let y = max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(y);
}
