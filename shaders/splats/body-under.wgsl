// The body of an avatar beneath what was drawn: one triangle over the picture. Colours leave multiplied by alpha, over the background.
//
// networks: body [height, width] is what body-networks made.
// else:     each pixel goes through the homography of the frame, and by the displacement fields, to its place in the baked texture
//           (docs/avatar-format.md); fields [2, size, size]: x and y of two fields.

struct Frame {
  // Rows of the homography: picture coordinates → texture coordinates.
  rows: array<vec4<f32>, 3>,
  // R, G, B not multiplied by alpha, and alpha.
  background: vec4<f32>,
  // Width and height of the picture.
  size: vec2<f32>,
  // Texture coordinates → 0..1 of the texture: scale and shift.
  scale: f32,
  shift: f32,
  // How much of each displacement field there is.
  shares: vec4<f32>,
}

@vertex
fn corner(@builtin(vertex_index) vertex: u32) -> @builtin(position) vec4<f32> {
  let place = vec2(f32(vertex & 1u), f32(vertex >> 1u)) * 4.0 - 1.0;
  return vec4(place, 0.0, 1.0);
}

//#if networks
fn body_at(pixel: vec2<f32>) -> vec4<f32> {
  let at = vec2<u32>(pixel);
  return unpack4x8unorm(body[at.y * u32(frame.size.x) + at.x]);
}
//#else
// What is left between the homography and the place in the texture; the fields reach as far as the texture.
fn displacement(at: vec2<f32>) -> vec2<f32> {
  let near = textureSampleLevel(fields, smooth_sampler, at, 0, 0.0);
  let further = textureSampleLevel(fields, smooth_sampler, at, 1, 0.0);
  return frame.shares.x * near.xy + frame.shares.y * near.zw + frame.shares.z * further.xy + frame.shares.w * further.zw;
}

fn body_at(pixel: vec2<f32>) -> vec4<f32> {
  let from_picture = vec3(pixel / frame.size, 1.0);
  let w = dot(frame.rows[2].xyz, from_picture);
  let place = vec2(dot(frame.rows[0].xyz, from_picture), dot(frame.rows[1].xyz, from_picture)) / w;
  let guess = place * frame.scale + frame.shift;
  let at = guess + frame.scale * displacement(guess);
  let inside = w > 0.0 && all(at >= vec2(0.0)) && all(at <= vec2(1.0));
  // Opacity fades over the pad: what lies there is a guess of training.
  let edge = min(at, 1.0 - at);
  let fade = smoothstep(0.0, max(frame.shift, 1e-6), min(edge.x, edge.y));
  let color = textureSampleLevel(body, smooth_sampler, at, 0.0);
  return select(vec4(0.0), vec4(color.rgb, color.a * fade), inside);
}
//#endif

@fragment
fn pixel(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
  let color = body_at(position.xy);
  let behind = frame.background;
  let under = vec4(behind.rgb * behind.a, behind.a);
  return vec4(color.rgb * color.a, color.a) + (1.0 - color.a) * under;
}
