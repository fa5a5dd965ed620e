// What may change from frame to frame: thresholds, and where the frame lies in the network's input. Lengths are pixels.
struct FrameSettings {
  score_threshold: f32,
  overlap_threshold: f32,
  // Input pixels a frame pixel, across and down, and the frame's upper left corner in the input.
  scale_x: f32,
  scale_y: f32,
  left: f32,
  top: f32,
  frame_width: u32,
  frame_height: u32,
  // Pixels from a row of the frame in memory to the next.
  row_pixels: u32,
  // How planes of bytes become colours: grey = (y - zero) * scale, and what the differences add to it.
  luma_zero: f32,
  luma_scale: f32,
  red_v: f32,
  green_u: f32,
  green_v: f32,
  blue_u: f32,
}
