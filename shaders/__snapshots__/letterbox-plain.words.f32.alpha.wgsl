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
// A frame of four bytes a pixel. `row_pixels` words a row.
fn texel(x: u32, y: u32) -> vec3<f32> {
  let at = min(y, settings.frame_height - 1u) * settings.row_pixels + min(x, settings.frame_width - 1u);
  let bytes = unpack4x8unorm(frame[at]);
  let colour = bytes.rgb;
  return colour * bytes.a;
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
