const WORKGROUP: u32 = 64u;
struct Params {
  box_offset: u32,
  box_stride: u32,
  score_offset: u32,
  score_stride: u32,
  width: u32,
  height: u32,
  classes: u32,
  first_cell: u32,
  capacity: u32,
  pixels: f32,
}
const params = Params(3u, 17u, 1108u, 1u, 13u, 5u, 1u, 100u, 32u, 8f);
@group(0) @binding(0) var<storage, read> settings: FrameSettings;
@group(0) @binding(1) var<storage, read> arena: array<MapVec4>;
@group(0) @binding(2) var<storage, read_write> count: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> candidates: array<vec4<f32>>;
// Feature maps stand in one arena as pixels of channel groups: four channels a vector. Element 0 is a zero that padding reads.
alias MapVec4 = vec4<f32>;
alias WeightMat = mat4x4<f32>;
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
// Cells of one detection map whose best class scores above the threshold -> candidates, in no order. A side's distance is the mean of a
// distribution over 16 bins (Li et al. 2020, arXiv 2006.04388), measured from the cell's centre in units of the stride.
// A candidate is two vectors: corners (x0, y0, x1, y1) in pixels of the frame, then score, cell, class, 0.

fn side_length(first: u32) -> f32 {
  var bins: array<vec4<f32>, 4>;
  var largest = vec4<f32>(-3.4e38);
  for (var i = 0u; i < 4u; i += 1u) {
    bins[i] = vec4<f32>(arena[first + i]);
    largest = max(largest, bins[i]);
  }
  let top = max(max(largest.x, largest.y), max(largest.z, largest.w));
  var total = 0.0;
  var mean = 0.0;
  for (var i = 0u; i < 4u; i += 1u) {
    let weight = exp(bins[i] - top);
    total += dot(weight, vec4<f32>(1.0));
    mean += dot(weight, vec4<f32>(0.0, 1.0, 2.0, 3.0) + f32(i * 4u));
  }
  return mean / total;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let cell = id.x;
  if (cell >= params.width * params.height) {
    return;
  }
  var best = -3.4e38;
  var label = 0u;
  for (var k = 0u; k < params.classes; k += 1u) {
    let logit = f32(arena[params.score_offset + cell * params.score_stride + k / 4u][k % 4u]);
    if (logit > best) {
      best = logit;
      label = k;
    }
  }
  let score = 1.0 / (1.0 + exp(-best));
  if (!(score >= settings.score_threshold)) {
    return;
  }
  let slot = atomicAdd(&count[0], 1u);
  if (slot >= params.capacity) {
    return;
  }
  let first = params.box_offset + cell * params.box_stride;
  let centre = vec2<f32>(f32(cell % params.width), f32(cell / params.width)) + 0.5;
  let low = centre - vec2<f32>(side_length(first), side_length(first + 4u));
  let high = centre + vec2<f32>(side_length(first + 8u), side_length(first + 12u));
  let frame_corner = vec2<f32>(settings.left, settings.top);
  let scale = vec2<f32>(settings.scale_x, settings.scale_y);
  let corners = (vec4<f32>(low, high) * params.pixels - vec4<f32>(frame_corner, frame_corner)) / vec4<f32>(scale, scale);
  let size = vec2<f32>(f32(settings.frame_width), f32(settings.frame_height));
  candidates[slot * 2u] = clamp(corners, vec4<f32>(), vec4<f32>(size, size));
  candidates[slot * 2u + 1u] = vec4<f32>(score, f32(params.first_cell + cell), f32(label), 0.0);
}
