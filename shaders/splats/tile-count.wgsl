// How many pairs of tile and splat each block of 256 splats, taken in order of depth, makes: counts [blocks].
// cache [splats, 2], order [splats]; draw: its second word says how many are visible.
//#import lib/grid
//#import lib/splat
//#import lib/tiles

fn pairs_of(at: u32) -> u32 {
  let slot = order[at];
  return tile_count(tiles_of(unpack_splat(cache[slot * 2u], cache[slot * 2u + 1u]), params.columns, params.rows));
}

//#if parallel
var<workgroup> sum: atomic<u32>;
//#endif

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
  if (invocation == 0u) {
    atomicStore(&sum, 0u);
  }
  workgroupBarrier();
  let at = block * BLOCK + invocation;
  if (at < visible) {
    atomicAdd(&sum, pairs_of(at));
  }
  workgroupBarrier();
  if (invocation == 0u) {
    counts[block] = atomicLoad(&sum);
  }
//#else
  let block = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (block >= params.blocks) {
    return;
  }
  var sum = 0u;
  let end = min((block + 1u) * BLOCK, visible);
  for (var at = block * BLOCK; at < end; at += 1u) {
    sum += pairs_of(at);
  }
  counts[block] = sum;
//#endif
}
