//#if windowed
// Is a row (or column) the first of so many, in the middle, or the last?
fn border_of(at: u32, size: u32) -> u32 {
  return select(select(1u, 2u, at == size - 1u), 0u, at == 0u);
}
//#endif

// What follows the sums of a convolution: bias, activation, residual, and the place in the arena.
// grows: the residual is half as high and wide, and is added before the activation.
fn finish(sum: vec4<f32>, row: u32, column: u32, group: u32) {
  if (row >= params.out_height || column >= params.out_width) {
    return;
  }
//#if transposed
  let channel_group = group % params.out_groups;
  let corner = group / params.out_groups;
  let y = row * 2u + corner / 2u;
  let x = column * 2u + corner % 2u;
  let pixel = y * params.out_width * 2u + x;
//#else
  let channel_group = group;
  let pixel = row * params.out_width + column;
//#endif
//#if windowed
  // A bias for each border: outside the map taps lack theirs.
  let border = border_of(y, params.out_height * 2u) * 3u + border_of(x, params.out_width * 2u);
  var value = sum + bias[border * params.out_groups + channel_group];
//#else
  var value = sum + bias[channel_group];
//#endif
//#if grows
  let small_pixel = row / 2u * (params.out_width / 2u) + column / 2u;
  value += vec4<f32>(arena[params.residual_offset + small_pixel * params.residual_stride + channel_group]);
//#endif
//#if silu
  value = value / (1.0 + exp(-value));
//#endif
//#if prelu
//#if windowed
  let slope = bias[9u * params.out_groups + channel_group];
//#else
  let slope = bias[params.out_groups + channel_group];
//#endif
  value = max(value, vec4<f32>()) + slope * min(value, vec4<f32>());
//#endif
//#if residual
  value += vec4<f32>(arena[params.residual_offset + pixel * params.residual_stride + channel_group]);
//#endif
  arena[params.out_offset + pixel * params.out_stride + channel_group] = MapVec4(value);
}
