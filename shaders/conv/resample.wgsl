// y = x at another size, each channel by itself: the nearest pixel, or bilinear between pixel centres (borders repeat). The same size: a copy.
//#import lib/map-{storage}
//#import lib/grid

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
//#if bilinear
  let scale = vec2<f32>(f32(params.in_width), f32(params.in_height)) / vec2<f32>(f32(params.out_width), f32(params.out_height));
  let place = max((vec2<f32>(f32(column), f32(row)) + 0.5) * scale - 0.5, vec2<f32>());
  let corner = vec2<u32>(place);
  let part = fract(place);
  let above = mix(pixel_at(corner.y, corner.x, group), pixel_at(corner.y, corner.x + 1u, group), part.x);
  let below = mix(pixel_at(corner.y + 1u, corner.x, group), pixel_at(corner.y + 1u, corner.x + 1u, group), part.x);
  let value = mix(above, below, part.y);
//#else
  let value = pixel_at(row * params.in_height / params.out_height, column * params.in_width / params.out_width, group);
//#endif
  arena[params.out_offset + pixel * params.out_stride + group] = MapVec4(value);
}
