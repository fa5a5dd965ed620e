// y = PReLU(scale * (x + residual) + shift), each channel by itself: a batch normalization that no convolution can take up.
// channels: vectors of scales, then of shifts, then of slopes.
//#import lib/map-{storage}
//#import lib/grid

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
//#if residual
  x += vec4<f32>(arena[params.residual_offset + pixel * params.residual_stride + group]);
//#endif
  let value = channels[group] * x + channels[params.groups + group];
  let slope = channels[2u * params.groups + group];
  let y = max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(y);
}
