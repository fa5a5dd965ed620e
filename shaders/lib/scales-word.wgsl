// A group's scale and minimum out of a vector of four words.
const SCALE_GROUPS: u32 = 4u;

fn with_scale(raw: RawGroup, scales: vec4<u32>, group: u32) -> RawGroup {
  let two = select(scales.xy, scales.zw, (group & 2u) != 0u);
  var scaled = raw;
  scaled.factors = select(two.x, two.y, (group & 1u) != 0u);
  return scaled;
}
