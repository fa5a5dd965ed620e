const WORKGROUP: u32 = 64u;
struct Params {
  capacity: u32,
}
const params = Params(128u);
@group(0) @binding(0) var<storage, read> settings: FrameSettings;
@group(0) @binding(1) var<storage, read> count: array<u32>;
@group(0) @binding(2) var<storage, read> ranked: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> overlaps: array<u32>;
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
// overlaps[i, word]: a bit for each later candidate of the same class whose intersection over union with candidate i is above the threshold.

fn area(box: vec4<f32>) -> f32 {
  return (box.z - box.x) * (box.w - box.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let words = params.capacity / 32u;
  let i = id.x / words;
  let total = min(count[0], params.capacity);
  if (i >= total) {
    return;
  }
  let own = ranked[i * 2u];
  let own_label = ranked[i * 2u + 1u].z;
  let first = id.x % words * 32u;
  var bits = 0u;
  for (var j = max(first, i + 1u); j < min(first + 32u, total); j += 1u) {
    let other = ranked[j * 2u];
    let shared_size = max(min(own.zw, other.zw) - max(own.xy, other.xy), vec2<f32>());
    let both = shared_size.x * shared_size.y;
    // Without a division, so that the same boxes give the same verdict everywhere.
    let hidden = both > settings.overlap_threshold * (area(own) + area(other) - both);
    let bit = select(0u, 1u << (j - first), hidden && ranked[j * 2u + 1u].z == own_label);
    bits |= bit;
  }
  overlaps[id.x] = bits;
}
