// One quad a splat, along the axes of its ellipse, back to front; the fragments weigh in the Gaussian. Colours leave multiplied by
// alpha. cache [splats, 2], order [splats] front to back; draw: its second word says how many are visible.
//#import lib/splat

struct Corner {
  @builtin(position) position: vec4<f32>,
  // The place in the ellipse, in deviations.
  @location(0) place: vec2<f32>,
  @location(1) @interpolate(flat) color: vec4<f32>,
}

@vertex
fn corner(
  @builtin(vertex_index) vertex: u32,
  @builtin(instance_index) instance: u32,
) -> Corner {
  let slot = order[draw[1] - 1u - instance];
  let splat = unpack_splat(cache[slot * 2u], cache[slot * 2u + 1u]);
  // Axes of the inverse covariance: the eigenvalues are squares of inverse deviations.
  let middle = 0.5 * (splat.conic.x + splat.conic.z);
  let half_gap = 0.5 * (splat.conic.x - splat.conic.z);
  let radius = length(vec2(half_gap, splat.conic.y));
  let determinant = splat.conic.x * splat.conic.z - splat.conic.y * splat.conic.y;
  let largest = middle + radius;
  let least = determinant / largest;
  // Of the two forms of the eigenvector, the one that does not cancel.
  var axis = select(
    vec2(splat.conic.y, radius - half_gap),
    vec2(radius + half_gap, splat.conic.y),
    half_gap > 0.0,
  );
  axis = select(vec2(1.0, 0.0), normalize(axis), radius > 1e-9);
  let reach = sqrt(2.0 * log(splat.color.w * 255.0));
  let sign = vec2(f32(vertex & 1u), f32(vertex >> 1u)) * 2.0 - 1.0;
  let place = sign * reach;
  let offset = axis * place.x * inverseSqrt(largest) + vec2(-axis.y, axis.x) * place.y * inverseSqrt(least);
  let clip = (splat.center + offset) / size * vec2(2.0, -2.0) + vec2(-1.0, 1.0);
  return Corner(vec4(clip, 0.0, 1.0), place, splat.color);
}

@fragment
fn pixel(in: Corner) -> @location(0) vec4<f32> {
  let opacity = min(0.99, in.color.a * exp(-0.5 * dot(in.place, in.place)));
  if (opacity < 1.0 / 255.0) {
    discard;
  }
  return vec4(in.color.rgb * opacity, opacity);
}
