// A frame with its drivable area and its lanes tinted, then a frame around each box.
//#import lib/frame-settings
@group(0) @binding(0) var<storage, read> settings: FrameSettings;
@group(0) @binding(1) var<storage, read> bits: array<u32>;
//#if stored
//#import lib/frame-{pixels}
@group(0) @binding(2) var<storage, read> frame: array<u32>;
//#else
//#if external
@group(0) @binding(2) var frame: texture_external;
//#else
@group(0) @binding(2) var frame: texture_2d<f32>;
//#endif
@group(0) @binding(3) var bilinear: sampler;
//#endif
@group(0) @binding(4) var<storage, read> boxes: array<vec4<f32>>;

const DRIVABLE = vec4<f32>(0.15, 0.78, 0.55, 0.38);
const LANES = vec4<f32>(1.0, 0.82, 0.25, 0.85);
const BOX = vec3<f32>(0.42, 0.62, 1.0);

fn frame_size() -> vec2<f32> {
  return vec2<f32>(f32(settings.frame_width), f32(settings.frame_height));
}

struct PictureVertex {
  @builtin(position) position: vec4<f32>,
  @location(0) place: vec2<f32>,
}

@vertex
fn picture_vertex(@builtin(vertex_index) index: u32) -> PictureVertex {
  let place = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
  return PictureVertex(vec4<f32>(place * vec2<f32>(2.0, -2.0) + vec2<f32>(-1.0, 1.0), 0.0, 1.0), place);
}

fn mask_at(pixel: vec2<u32>, first: u32) -> bool {
  let bit = first + pixel.y * WIDTH + pixel.x;
  return ((bits[bit / 32u] >> (bit % 32u)) & 1u) == 1u;
}

@fragment
fn picture_fragment(vertex: PictureVertex) -> @location(0) vec4<f32> {
//#if stored
  var colour = frame_colour(vertex.place * frame_size());
//#else
  var colour = textureSampleBaseClampToEdge(frame, bilinear, vertex.place).rgb;
//#endif
  let in_input = vec2<f32>(settings.left, settings.top) + vertex.place * frame_size() * vec2<f32>(settings.scale_x, settings.scale_y);
  let pixel = min(vec2<u32>(in_input), vec2<u32>(WIDTH - 1u, HEIGHT - 1u));
  if (mask_at(pixel, 0u)) {
    colour = mix(colour, DRIVABLE.rgb, DRIVABLE.a);
  }
  if (mask_at(pixel, WIDTH * HEIGHT)) {
    colour = mix(colour, LANES.rgb, LANES.a);
  }
  return vec4<f32>(colour, 1.0);
}

struct BoxVertex {
  @builtin(position) position: vec4<f32>,
  // Pixels from the box's upper left corner, and its size.
  @location(0) inside: vec2<f32>,
  @location(1) @interpolate(flat) size: vec2<f32>,
}

@vertex
fn box_vertex(@builtin(vertex_index) index: u32, @builtin(instance_index) instance: u32) -> BoxVertex {
  let corners = boxes[1u + instance * 2u];
  let size = corners.zw - corners.xy;
  let corner = vec2<f32>(select(0.0, 1.0, index == 1u || index == 2u || index == 4u), select(0.0, 1.0, index == 2u || index > 3u));
  let at = (corners.xy + corner * size) / frame_size();
  return BoxVertex(vec4<f32>(at * vec2<f32>(2.0, -2.0) + vec2<f32>(-1.0, 1.0), 0.0, 1.0), corner * size, size);
}

@fragment
fn box_fragment(vertex: BoxVertex) -> @location(0) vec4<f32> {
  let edge = min(vertex.inside, vertex.size - vertex.inside);
  let line = max(2.0, f32(settings.frame_width) / 320.0);
  let alpha = select(0.1, 1.0, min(edge.x, edge.y) < line);
  return vec4<f32>(BOX * alpha, alpha);
}
