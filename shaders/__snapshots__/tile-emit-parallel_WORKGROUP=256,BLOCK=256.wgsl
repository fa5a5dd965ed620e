const WORKGROUP: u32 = 256u;
const BLOCK: u32 = 256u;
struct Params {
  splats: u32,
  columns: u32,
  rows: u32,
  blocks: u32,
  capacity: u32,
}
const params = Params(1u, 3u, 2u, 1u, 300u);
@group(0) @binding(0) var<storage, read> draw: array<u32>;
@group(0) @binding(1) var<storage, read> cache: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> values: array<u32>;
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
// The tiles of 16 × 16 pixels that an ellipse's box touches: first column and row, then the columns and rows behind the last.
fn tiles_of(splat: Splat, columns: u32, rows: u32) -> vec4<u32> {
  let tiles = vec2<f32>(vec2(columns, rows));
  let first = clamp(floor((splat.center - splat.reach) / 16.0), vec2(0.0), tiles);
  let end = clamp(floor((splat.center + splat.reach) / 16.0) + 1.0, vec2(0.0), tiles);
  return vec4(vec2<u32>(first), vec2<u32>(max(first, end)));
}

fn tile_count(box: vec4<u32>) -> u32 {
  return (box.z - box.x) * (box.w - box.y);
}
// Inclusive prefix sums over a workgroup (Hillis & Steele 1986). Called once: the results stay in workgroup memory.
var<workgroup> sums: array<u32, WORKGROUP>;

fn inclusive_sum(own: u32, invocation: u32) -> u32 {
  sums[invocation] = own;
  workgroupBarrier();
  for (var step = 1u; step < WORKGROUP; step *= 2u) {
    var before = 0u;
    if (invocation >= step) {
      before = sums[invocation - step];
    }
    workgroupBarrier();
    sums[invocation] += before;
    workgroupBarrier();
  }
  return sums[invocation];
}
// Writes the pairs of tile (keys) and splat (values), in order of depth, each block from where the scanned counts say. Pairs beyond
// the capacity are dropped: the farthest ones.

fn box_of(at: u32) -> vec4<u32> {
  let slot = order[at];
  return tiles_of(unpack_splat(cache[slot * 2u], cache[slot * 2u + 1u]), params.columns, params.rows);
}

fn emit(box: vec4<u32>, slot: u32, start: u32) -> u32 {
  var next = start;
  for (var row = box.y; row < box.w; row += 1u) {
    for (var column = box.x; column < box.z; column += 1u) {
      if (next < params.capacity) {
        keys[next] = row * params.columns + column;
        values[next] = slot;
      }
      next += 1u;
    }
  }
  return next;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let visible = min(draw[1], params.splats);
  let block = linear_workgroup(workgroup, workgroups);
  if (block >= params.blocks) {
    return;
  }
  let at = block * BLOCK + invocation;
  var box = vec4(0u);
  if (at < visible) {
    box = box_of(at);
  }
  let own = tile_count(box);
  let up_to = inclusive_sum(own, invocation);
  if (own > 0u && offsets[block] < params.capacity) {
    emit(box, order[at], offsets[block] + up_to - own);
  }
}
