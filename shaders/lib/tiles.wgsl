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
