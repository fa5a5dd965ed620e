const WORKGROUP: u32 = 64u;
const SH_DEGREE: u32 = 3u;
const SH_WORDS: u32 = 23u;

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> splats: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> sh: array<u32>;
@group(0) @binding(3) var<storage, read_write> cache: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> draw: array<atomic<u32>>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// A splat as a frame shows it, in 32 bytes.
//   x: centre x   y: centre y, pixels from the top left corner
//   z, w and next x: the inverse of the 2D covariance: a dx² + 2 b dx dy + c dy²
//   next y, z: colour and opacity as four halves
//   next w: half of the ellipse's box, where the opacity is 1/255, as two halves
struct Splat {
  center: vec2<f32>,
  conic: vec3<f32>,
  color: vec4<f32>,
  reach: vec2<f32>,
}

fn pack_splat_head(splat: Splat) -> vec4<f32> {
  return vec4(splat.center, splat.conic.xy);
}

fn pack_splat_tail(splat: Splat) -> vec4<f32> {
  return vec4(
    splat.conic.z,
    bitcast<f32>(pack2x16float(splat.color.xy)),
    bitcast<f32>(pack2x16float(splat.color.zw)),
    bitcast<f32>(pack2x16float(min(splat.reach, vec2(60000.0)))),
  );
}

fn unpack_splat(head: vec4<f32>, tail: vec4<f32>) -> Splat {
  return Splat(
    head.xy,
    vec3(head.zw, tail.x),
    vec4(unpack2x16float(bitcast<u32>(tail.y)), unpack2x16float(bitcast<u32>(tail.z))),
    unpack2x16float(bitcast<u32>(tail.w)),
  );
}

// How opaque the splat is this far from its centre; 0 where it does not count.
fn opacity_at(splat: Splat, offset: vec2<f32>) -> f32 {
  let squares = splat.conic * vec3(offset.x * offset.x, 2.0 * offset.x * offset.y, offset.y * offset.y);
  let opacity = min(0.99, splat.color.w * exp(-0.5 * (squares.x + squares.y + squares.z)));
  return select(0.0, opacity, opacity >= 1.0 / 255.0);
}
// Real spherical harmonics of bands 1 to 3 with the signs of 3DGS (Kerbl et al. 2023). sh [splats, SH_WORDS]: coefficients
// with their three channels, as halves.
var<private> sh_base: u32;

fn sh_half(k: u32) -> f32 {
  return unpack2x16float(sh[sh_base + k / 2u])[k % 2u];
}

fn sh_coefficient(k: u32) -> vec3<f32> {
  return vec3(sh_half(3u * k), sh_half(3u * k + 1u), sh_half(3u * k + 2u));
}

fn rest_color(splat: u32, direction: vec3<f32>) -> vec3<f32> {
  sh_base = splat * SH_WORDS;
  let x = direction.x;
  let y = direction.y;
  let z = direction.z;
  var color = 0.48860251 * (-y * sh_coefficient(0u) + z * sh_coefficient(1u) - x * sh_coefficient(2u));
  if (SH_DEGREE > 1u) {
    color += 1.09254843 * (x * y * sh_coefficient(3u) - y * z * sh_coefficient(4u) - x * z * sh_coefficient(6u));
    color += 0.31539157 * (2.0 * z * z - x * x - y * y) * sh_coefficient(5u);
    color += 0.54627422 * (x * x - y * y) * sh_coefficient(7u);
  }
  if (SH_DEGREE > 2u) {
    color += -0.59004359 * y * (3.0 * x * x - y * y) * sh_coefficient(8u);
    color += 2.89061144 * x * y * z * sh_coefficient(9u);
    color += -0.45704580 * y * (4.0 * z * z - x * x - y * y) * sh_coefficient(10u);
    color += 0.37317633 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y) * sh_coefficient(11u);
    color += -0.45704580 * x * (4.0 * z * z - x * x - y * y) * sh_coefficient(12u);
    color += 1.44530572 * z * (x * x - y * y) * sh_coefficient(13u);
    color += -0.59004359 * x * (x * x - 3.0 * y * y) * sh_coefficient(14u);
  }
  return color;
}
// Morphs, skins and projects splats to ellipses of the picture (EWA splatting, Zwicker et al. 2001; Kerbl et al. 2023, §4), culls
// what is out of it, and gives each a key by depth.
// splats [count, 3]: centre and opacity; covariance xx xy xz yy; covariance yz zz, colour as three halves.
// cache [all splats, 2], keys [all splats]: this object's from `frame.first` on. draw: the arguments of an indirect draw; its second
// word counts what is visible.

struct Frame {
  // Rows of model → view: x right, y down, z forward.
  view: array<vec4<f32>, 3>,
  // The camera in the model's space, and the focal length in pixels.
  camera: vec4<f32>,
  // Width and height in pixels, the least depth, key steps a unit of depth.
  extent: vec4<f32>,
  // Splats that are drawn, and where they begin in the cache and the keys of the scene.
  count: u32,
  first: u32,
  // The highest key: what is not visible has it.
  hidden_key: u32,
}

const DILATION: f32 = 0.3;
const JACOBIAN_MARGIN: f32 = 1.3;
const NEAR: f32 = 0.01;


@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let i = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (i >= frame.count) {
    return;
  }
  let slot = frame.first + i;
  keys[slot] = frame.hidden_key;
  let place = splats[i * 3u];
  let shape = splats[i * 3u + 1u];
  let rest = splats[i * 3u + 2u];
  var center = place.xyz;
  var covariance = mat3x3(
    vec3(shape.x, shape.y, shape.z),
    vec3(shape.y, shape.w, rest.x),
    vec3(shape.z, rest.x, rest.y),
  );
  let point = vec4(center, 1.0);
  let seen = vec3(dot(frame.view[0], point), dot(frame.view[1], point), dot(frame.view[2], point));
  // The negation catches NaN too.
  if (!(seen.z > NEAR && seen.z < 1e6)) {
    return;
  }
  let focal = frame.camera.w;
  let size = frame.extent.xy;
  let limit = JACOBIAN_MARGIN * 0.5 * size / focal;
  let slope = clamp(seen.xy / seen.z, -limit, limit);
  let scale = focal / seen.z;
  let view_x = frame.view[0].xyz;
  let view_y = frame.view[1].xyz;
  let view_z = frame.view[2].xyz;
  let across = scale * (view_x - slope.x * view_z);
  let along = scale * (view_y - slope.y * view_z);
  let spread_across = covariance * across;
  let a = dot(across, spread_across) + DILATION;
  let b = dot(along, spread_across);
  let c = dot(along, covariance * along) + DILATION;
  let determinant = a * c - b * b;
  let opacity = place.w;
  if (!(determinant > 0.0) || opacity < 1.0 / 255.0) {
    return;
  }
  var splat: Splat;
  splat.center = seen.xy * scale + 0.5 * size;
  splat.conic = vec3(c, -b, a) / determinant;
  splat.reach = sqrt(2.0 * log(opacity * 255.0) * vec2(a, c));
  if (any(splat.center + splat.reach < vec2(0.0)) || any(splat.center - splat.reach > size)) {
    return;
  }
  var color = vec3(
    unpack2x16float(bitcast<u32>(rest.z)),
    unpack2x16float(bitcast<u32>(rest.w)).x,
  );
  var away = center - frame.camera.xyz;
  color += rest_color(i, normalize(away));
  splat.color = vec4(max(color, vec3(0.0)), opacity);
  cache[slot * 2u] = pack_splat_head(splat);
  cache[slot * 2u + 1u] = pack_splat_tail(splat);
  let steps = (seen.z - frame.extent.z) * frame.extent.w;
  keys[slot] = u32(clamp(steps, 0.0, f32(frame.hidden_key - 1u)));
  atomicAdd(&draw[1], 1u);
}
