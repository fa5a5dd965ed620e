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
