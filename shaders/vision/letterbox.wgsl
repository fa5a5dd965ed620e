// A frame in memory -> the network's input: scaled, RGB in 0..1, grey around it. Bilinear, with as many
// samples a side as frame pixels fall into an input pixel, at most four.
//#import lib/map-{storage}
//#import lib/frame-settings
//#import lib/frame-{pixels}

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
