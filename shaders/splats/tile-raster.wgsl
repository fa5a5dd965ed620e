// Blends the splats of each tile of 16 × 16 pixels front to back (Kerbl et al. 2023, §6), until its pixels are opaque.
// keys, values [pairs]: tiles in order, and their splats by depth; cache [splats, 2]; background: RGB, and its own alpha.
// image [rows of the picture, stride]: R, G, B, A in bytes, colours multiplied by alpha.
//#import lib/splat

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

//#if parallel
const BATCH: u32 = TILE * TILE;
var<workgroup> heads: array<vec4<f32>, BATCH>;
var<workgroup> tails: array<vec4<f32>, BATCH>;
var<workgroup> span: vec2<u32>;
var<workgroup> open_batch: atomic<u32>;
var<workgroup> goes_on: u32;
//#endif

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
//#if parallel
  if (invocation == 0u) {
    let pairs = min(total[0], params.capacity);
    span = vec2(first_pair(tile, pairs), first_pair(tile + 1u, pairs));
    atomicStore(&open_batch, 0u);
  }
  let range = workgroupUniformLoad(&span);
  for (var base = range.x; base < range.y; base += BATCH) {
    let at = base + invocation;
    if (at < range.y) {
      let slot = values[at];
      heads[invocation] = cache[slot * 2u];
      tails[invocation] = cache[slot * 2u + 1u];
    }
    workgroupBarrier();
    let batch = min(BATCH, range.y - base);
    for (var k = 0u; k < batch && through > OPAQUE; k += 1u) {
      let splat = unpack_splat(heads[k], tails[k]);
      let opacity = opacity_at(splat, center - splat.center);
      color += through * opacity * splat.color.rgb;
      through *= 1.0 - opacity;
    }
    if (through > OPAQUE) {
      atomicStore(&open_batch, base + 1u);
    }
    workgroupBarrier();
    if (invocation == 0u) {
      goes_on = select(0u, 1u, atomicLoad(&open_batch) == base + 1u);
    }
    if (workgroupUniformLoad(&goes_on) == 0u) {
      break;
    }
  }
//#else
  let pairs = min(total[0], params.capacity);
  let end = first_pair(tile + 1u, pairs);
  for (var at = first_pair(tile, pairs); at < end && through > OPAQUE; at += 1u) {
    let slot = values[at];
    let splat = unpack_splat(cache[slot * 2u], cache[slot * 2u + 1u]);
    let opacity = opacity_at(splat, center - splat.center);
    color += through * opacity * splat.color.rgb;
    through *= 1.0 - opacity;
  }
//#endif
  if (pixel.x >= params.width || pixel.y >= params.height) {
    return;
  }
  let behind = background.a * through;
  let blended = vec4(color + behind * background.rgb, 1.0 - through + behind);
  image[pixel.y * params.stride + pixel.x] = pack4x8unorm(blended);
}
