const WORKGROUP: u32 = 64u;
const JOINTS: u32 = 3u;

@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var<storage, read> splats: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> skin: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> morphs: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> pose: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> cache: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> keys: array<u32>;
@group(0) @binding(7) var<storage, read_write> draw: array<atomic<u32>>;
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

// skin [count + 1]: four joints as bytes; their weights as 16-bit shares; where the splat's morphs begin. The next entry says where they end.
// morphs: the expression in the low half of x, dx in the high half, dy and dz in y, as halves.
// pose: JOINTS × 3 rows of matrices, then the expressions' weights, four a vector.
fn expression_weight(expression: u32) -> f32 {
  return pose[JOINTS * 3u + expression / 4u][expression % 4u];
}

fn morphed(splat: u32, rest: vec3<f32>) -> vec3<f32> {
  var center = rest;
  let end = skin[splat + 1u].w;
  for (var at = skin[splat].w; at < end; at += 1u) {
    let words = morphs[at];
    let delta = vec3(unpack2x16float(words.x).y, unpack2x16float(words.y));
    center += expression_weight(words.x & 0xffffu) * delta;
  }
  return center;
}

fn joint_row(joints: vec4<u32>, weights: vec4<f32>, row: u32) -> vec4<f32> {
  return weights.x * pose[joints.x * 3u + row] + weights.y * pose[joints.y * 3u + row]
    + weights.z * pose[joints.z * 3u + row] + weights.w * pose[joints.w * 3u + row];
}

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
  center = morphed(i, center);
  let words = skin[i];
  let joints = vec4(words.x & 255u, (words.x >> 8u) & 255u, (words.x >> 16u) & 255u, words.x >> 24u);
  let weights = vec4(unpack2x16unorm(words.y), unpack2x16unorm(words.z));
  let row0 = joint_row(joints, weights, 0u);
  let row1 = joint_row(joints, weights, 1u);
  let row2 = joint_row(joints, weights, 2u);
  let at_rest = vec4(center, 1.0);
  center = vec3(dot(row0, at_rest), dot(row1, at_rest), dot(row2, at_rest));
  let turn_back = mat3x3(row0.xyz, row1.xyz, row2.xyz);
  covariance = transpose(turn_back) * covariance * turn_back;
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
  splat.color = vec4(max(color, vec3(0.0)), opacity);
  cache[slot * 2u] = pack_splat_head(splat);
  cache[slot * 2u + 1u] = pack_splat_tail(splat);
  let steps = (seen.z - frame.extent.z) * frame.extent.w;
  keys[slot] = u32(clamp(steps, 0.0, f32(frame.hidden_key - 1u)));
  atomicAdd(&draw[1], 1u);
}
