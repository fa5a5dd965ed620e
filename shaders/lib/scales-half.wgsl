// A group's scale out of a vector of eight halves.
const SCALE_GROUPS: u32 = 8u;

fn with_scale(raw: RawGroup, scales: vec4<u32>, group: u32) -> RawGroup {
  let two = select(scales.xy, scales.zw, (group & 4u) != 0u);
  let both = unpack2x16float(select(two.x, two.y, (group & 2u) != 0u));
  var scaled = raw;
  scaled.scale = select(both.x, both.y, (group & 1u) != 0u);
  return scaled;
}
