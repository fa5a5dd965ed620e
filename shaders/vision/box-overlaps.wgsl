// overlaps[i, word]: a bit for each later candidate of the same class whose intersection over union with candidate i is above the threshold.
//#import lib/frame-settings

fn area(box: vec4<f32>) -> f32 {
  return (box.z - box.x) * (box.w - box.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let words = params.capacity / 32u;
  let i = id.x / words;
  let total = min(count[0], params.capacity);
  if (i >= total) {
    return;
  }
  let own = ranked[i * 2u];
  let own_label = ranked[i * 2u + 1u].z;
  let first = id.x % words * 32u;
  var bits = 0u;
  for (var j = max(first, i + 1u); j < min(first + 32u, total); j += 1u) {
    let other = ranked[j * 2u];
    let shared_size = max(min(own.zw, other.zw) - max(own.xy, other.xy), vec2<f32>());
    let both = shared_size.x * shared_size.y;
    // Without a division, so that the same boxes give the same verdict everywhere.
    let hidden = both > settings.overlap_threshold * (area(own) + area(other) - both);
    let bit = select(0u, 1u << (j - first), hidden && ranked[j * 2u + 1u].z == own_label);
    bits |= bit;
  }
  overlaps[id.x] = bits;
}
