struct Params {
  columns: u32,
  width: u32,
  height: u32,
  stride: u32,
  capacity: u32,
}
const params = Params(3u, 40u, 30u, 64u, 1u);
@group(0) @binding(0) var<uniform> background: vec4<f32>;
@group(0) @binding(1) var<storage, read> total: array<u32>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<u32>;
@group(0) @binding(4) var<storage, read> cache: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> image: array<u32>;
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
// Blends the splats of each tile of 16 × 16 pixels front to back (Kerbl et al. 2023, §6), until its pixels are opaque.
// keys, values [pairs]: tiles in order, and their splats by depth; cache [splats, 2]; background: RGB, and its own alpha.
// image [rows of the picture, stride]: R, G, B, A in bytes, colours multiplied by alpha.

const TILE: u32 = 16u;
// A pixel that lets less light through is as good as opaque.
const OPAQUE: f32 = 0.0005;

// The first pair whose tile is not less.
fn first_pair(tile: u32, pairs: u32) -> u32 {
  var low = 0u;
  var high = pairs;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (keys[middle] < tile) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}


@compute @workgroup_size(TILE, TILE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(global_invocation_id) pixel: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let tile = workgroup.y * params.columns + workgroup.x;
  let center = vec2<f32>(pixel.xy) + 0.5;
  var color = vec3(0.0);
  var through = 1.0;
  let pairs = min(total[0], params.capacity);
  let end = first_pair(tile + 1u, pairs);
  for (var at = first_pair(tile, pairs); at < end && through > OPAQUE; at += 1u) {
    let slot = values[at];
    let splat = unpack_splat(cache[slot * 2u], cache[slot * 2u + 1u]);
    let opacity = opacity_at(splat, center - splat.center);
    color += through * opacity * splat.color.rgb;
    through *= 1.0 - opacity;
  }
  if (pixel.x >= params.width || pixel.y >= params.height) {
    return;
  }
  let behind = background.a * through;
  let blended = vec4(color + behind * background.rgb, 1.0 - through + behind);
  image[pixel.y * params.stride + pixel.x] = pack4x8unorm(blended);
}
