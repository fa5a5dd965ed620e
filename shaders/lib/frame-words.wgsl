// A frame of four bytes a pixel. `row_pixels` words a row.
fn texel(x: u32, y: u32) -> vec3<f32> {
  let at = min(y, settings.frame_height - 1u) * settings.row_pixels + min(x, settings.frame_width - 1u);
  let bytes = unpack4x8unorm(frame[at]);
//#if blue_first
  let colour = bytes.bgr;
//#else
  let colour = bytes.rgb;
//#endif
//#if alpha
  return colour * bytes.a;
//#else
  return colour;
//#endif
}

// Colour at a place in pixels of the frame; pixel centres are at halves.
fn frame_colour(place: vec2<f32>) -> vec3<f32> {
  let from_centre = max(place - 0.5, vec2<f32>());
  let corner = vec2<u32>(from_centre);
  let part = fract(from_centre);
  let above = mix(texel(corner.x, corner.y), texel(corner.x + 1u, corner.y), part.x);
  let below = mix(texel(corner.x, corner.y + 1u), texel(corner.x + 1u, corner.y + 1u), part.x);
  return mix(above, below, part.y);
}
