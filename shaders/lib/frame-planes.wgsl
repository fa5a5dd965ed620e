// A frame whose brightness is a plane of bytes, `row_pixels` a row, and whose two colour differences lie behind it at half the size: in
// a plane each with rows half as long, or by turns in one.
fn byte_at(at: u32) -> f32 {
  return f32((frame[at / 4u] >> (at % 4u * 8u)) & 255u);
}

// Bilinear; `step`: bytes from a number to the next.
fn plane_value(place: vec2<f32>, size: vec2<u32>, first: u32, row: u32, step: u32) -> f32 {
  let from_centre = max(place - 0.5, vec2<f32>());
  let corner = min(vec2<u32>(from_centre), size - 1u);
  let next = min(corner + 1u, size - 1u);
  let part = fract(from_centre);
  let above = first + corner.y * row;
  let below = first + next.y * row;
  let upper = mix(byte_at(above + corner.x * step), byte_at(above + next.x * step), part.x);
  let lower = mix(byte_at(below + corner.x * step), byte_at(below + next.x * step), part.x);
  return mix(upper, lower, part.y);
}

// Colour at a place in pixels of the frame; pixel centres are at halves.
fn frame_colour(place: vec2<f32>) -> vec3<f32> {
  let size = vec2<u32>(settings.frame_width, settings.frame_height);
  let half_size = (size + 1u) / 2u;
  let row = settings.row_pixels;
  let behind = row * size.y;
  let y = plane_value(place, size, 0u, row, 1u);
//#if interleaved
  let u = plane_value(place * 0.5, half_size, behind, row, 2u);
  let v = plane_value(place * 0.5, half_size, behind + 1u, row, 2u);
//#else
  let u = plane_value(place * 0.5, half_size, behind, row / 2u, 1u);
  let v = plane_value(place * 0.5, half_size, behind + row / 2u * half_size.y, row / 2u, 1u);
//#endif
  let grey = (y - settings.luma_zero) * settings.luma_scale;
  let differences = vec2<f32>(u, v) - 128.0;
  let green = dot(differences, vec2<f32>(settings.green_u, settings.green_v));
  let colour = grey + vec3<f32>(settings.red_v * differences.y, green, settings.blue_u * differences.x);
  return clamp(colour, vec3<f32>(), vec3<f32>(1.0));
}
