struct Params {
  offset: u32,
  stride: u32,
  height: u32,
  width: u32,
}
const params = Params(2u, 1u, 32u, 64u);
@group(0) @binding(0) var<storage, read> settings: FrameSettings;
@group(0) @binding(1) var<storage, read> frame: array<u32>;
@group(0) @binding(2) var<storage, read_write> arena: array<MapVec4>;
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
  let u = plane_value(place * 0.5, half_size, behind, row / 2u, 1u);
  let v = plane_value(place * 0.5, half_size, behind + row / 2u * half_size.y, row / 2u, 1u);
  let grey = (y - settings.luma_zero) * settings.luma_scale;
  let differences = vec2<f32>(u, v) - 128.0;
  let green = dot(differences, vec2<f32>(settings.green_u, settings.green_v));
  let colour = grey + vec3<f32>(settings.red_v * differences.y, green, settings.blue_u * differences.x);
  return clamp(colour, vec3<f32>(), vec3<f32>(1.0));
}
// A frame in memory -> the network's input: scaled, RGB in 0..1, grey around it. Bilinear, with as many
// samples a side as frame pixels fall into an input pixel, at most four.

const GREY = 114.0 / 255.0;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.width || id.y >= params.height) {
    return;
  }
  let scale = vec2<f32>(settings.scale_x, settings.scale_y);
  let corner = (vec2<f32>(id.xy) - vec2<f32>(settings.left, settings.top)) / scale;
  let centre = corner + 0.5 / scale;
  let size = vec2<f32>(f32(settings.frame_width), f32(settings.frame_height));
  var value = vec3<f32>(GREY);
  if (all(centre >= vec2<f32>()) && all(centre < size)) {
    let samples = clamp(vec2<u32>(ceil(1.0 / scale)), vec2<u32>(1u), vec2<u32>(4u));
    let step = 1.0 / (scale * vec2<f32>(samples));
    value = vec3<f32>();
    for (var i = 0u; i < samples.x * samples.y; i += 1u) {
      let sample = vec2<f32>(f32(i % samples.x), f32(i / samples.x)) + 0.5;
      value += frame_colour(clamp(corner + sample * step, vec2<f32>(), size));
    }
    value /= f32(samples.x * samples.y);
  }
  arena[params.offset + (id.y * params.width + id.x) * params.stride] = MapVec4(vec4<f32>(value, 0.0));
}
