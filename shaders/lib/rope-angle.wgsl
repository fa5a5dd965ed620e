// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  let fine = rope[(position % 256u) * pairs + pair];
  let coarse = rope[(256u + position / 256u) * pairs + pair];
  return vec2<f32>(fine.x * coarse.x - fine.y * coarse.y, fine.y * coarse.x + fine.x * coarse.y);
}
