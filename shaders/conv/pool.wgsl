// y = the largest (or the mean) of a window of x, each channel by itself. Outside the map a maximum ignores, and a mean counts zeros.
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
  let first_row = pixel / params.out_width * STRIDE - WINDOW / 2u;
  let first_column = pixel % params.out_width * STRIDE - WINDOW / 2u;
//#if maximum
  var total = vec4<f32>(-3.4e38);
//#else
  var total = vec4<f32>();
//#endif
  for (var y = first_row; y != first_row + WINDOW; y += 1u) {
    for (var x = first_column; x != first_column + WINDOW; x += 1u) {
      if (y < params.in_height && x < params.in_width) {
        let value = vec4<f32>(arena[params.in_offset + (y * params.in_width + x) * params.in_stride + group]);
//#if maximum
        total = max(total, value);
//#else
        total += value / f32(WINDOW * WINDOW);
//#endif
      }
    }
  }
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(total);
}
