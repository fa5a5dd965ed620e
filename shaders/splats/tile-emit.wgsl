// Writes the pairs of tile (keys) and splat (values), in order of depth, each block from where the scanned counts say. Pairs beyond
// the capacity are dropped: the farthest ones.
//#import lib/grid
//#import lib/splat
//#import lib/tiles
//#import lib/workgroup-scan

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
//#if parallel
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
//#else
  let block = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (block >= params.blocks) {
    return;
  }
  var next = offsets[block];
  let end = min((block + 1u) * BLOCK, visible);
  for (var at = block * BLOCK; at < end && next < params.capacity; at += 1u) {
    next = emit(box_of(at), order[at], next);
  }
//#endif
}
