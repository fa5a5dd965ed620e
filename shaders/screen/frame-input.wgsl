// A frame as a texture -> the network's input, as letterbox makes it of bytes: scaled, RGB in 0..1, grey around it.
//#import lib/map-{storage}
//#import lib/frame-settings
@group(0) @binding(0) var<storage, read> settings: FrameSettings;
@group(0) @binding(1) var<storage, read_write> arena: array<MapVec4>;
//#if external
@group(0) @binding(2) var frame: texture_external;
//#else
@group(0) @binding(2) var frame: texture_2d<f32>;
//#endif
@group(0) @binding(3) var bilinear: sampler;

const GREY = 114.0 / 255.0;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= WIDTH || id.y >= HEIGHT) {
    return;
  }
  let size = vec2<f32>(f32(settings.frame_width), f32(settings.frame_height));
  let scale = vec2<f32>(settings.scale_x, settings.scale_y);
  let corner = (vec2<f32>(id.xy) - vec2<f32>(settings.left, settings.top)) / scale;
  let centre = corner + 0.5 / scale;
  var value = vec3<f32>(GREY);
  if (all(centre >= vec2<f32>()) && all(centre < size)) {
    let samples = clamp(vec2<u32>(ceil(1.0 / scale)), vec2<u32>(1u), vec2<u32>(4u));
    let step = 1.0 / (scale * vec2<f32>(samples));
    value = vec3<f32>();
    for (var i = 0u; i < samples.x * samples.y; i += 1u) {
      let sample = vec2<f32>(f32(i % samples.x), f32(i / samples.x)) + 0.5;
      value += textureSampleBaseClampToEdge(frame, bilinear, (corner + sample * step) / size).rgb;
    }
    value /= f32(samples.x * samples.y);
  }
  arena[OFFSET + (id.y * WIDTH + id.x) * STRIDE] = MapVec4(vec4<f32>(value, 0.0));
}
