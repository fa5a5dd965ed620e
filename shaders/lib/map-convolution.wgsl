// What follows the sums of a convolution: bias, activation, residual, and the place in the arena.
fn finish(sum: vec4<f32>, row: u32, column: u32, group: u32) {
  if (row >= params.out_height || column >= params.out_width) {
    return;
  }
//#if transposed
  let channel_group = group % params.out_groups;
  let corner = group / params.out_groups;
  let pixel = (row * 2u + corner / 2u) * params.out_width * 2u + column * 2u + corner % 2u;
//#else
  let channel_group = group;
  let pixel = row * params.out_width + column;
//#endif
  var value = sum + bias[channel_group];
//#if silu
  value = value / (1.0 + exp(-value));
//#endif
//#if prelu
  value = max(value, vec4<f32>()) + bias[params.out_groups + channel_group] * min(value, vec4<f32>());
//#endif
//#if residual
  value += vec4<f32>(arena[params.residual_offset + pixel * params.residual_stride + channel_group]);
//#endif
  arena[params.out_offset + pixel * params.out_stride + channel_group] = MapVec4(value);
}
