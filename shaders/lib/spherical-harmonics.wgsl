// Real spherical harmonics of bands 1 to 3 with the signs of 3DGS (Kerbl et al. 2023). sh [splats, SH_WORDS]: coefficients
// with their three channels, as halves.
var<private> sh_base: u32;

fn sh_half(k: u32) -> f32 {
  return unpack2x16float(sh[sh_base + k / 2u])[k % 2u];
}

fn sh_coefficient(k: u32) -> vec3<f32> {
  return vec3(sh_half(3u * k), sh_half(3u * k + 1u), sh_half(3u * k + 2u));
}

fn rest_color(splat: u32, direction: vec3<f32>) -> vec3<f32> {
  sh_base = splat * SH_WORDS;
  let x = direction.x;
  let y = direction.y;
  let z = direction.z;
  var color = 0.48860251 * (-y * sh_coefficient(0u) + z * sh_coefficient(1u) - x * sh_coefficient(2u));
  if (SH_DEGREE > 1u) {
    color += 1.09254843 * (x * y * sh_coefficient(3u) - y * z * sh_coefficient(4u) - x * z * sh_coefficient(6u));
    color += 0.31539157 * (2.0 * z * z - x * x - y * y) * sh_coefficient(5u);
    color += 0.54627422 * (x * x - y * y) * sh_coefficient(7u);
  }
  if (SH_DEGREE > 2u) {
    color += -0.59004359 * y * (3.0 * x * x - y * y) * sh_coefficient(8u);
    color += 2.89061144 * x * y * z * sh_coefficient(9u);
    color += -0.45704580 * y * (4.0 * z * z - x * x - y * y) * sh_coefficient(10u);
    color += 0.37317633 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y) * sh_coefficient(11u);
    color += -0.45704580 * x * (4.0 * z * z - x * x - y * y) * sh_coefficient(12u);
    color += 1.44530572 * z * (x * x - y * y) * sh_coefficient(13u);
    color += -0.59004359 * x * (x * x - 3.0 * y * y) * sh_coefficient(14u);
  }
  return color;
}
