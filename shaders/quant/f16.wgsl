// Group of 32: four vec4 of two half-precision numbers a word.
fn halves(a: u32, b: u32) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
}

fn load_group(row_base: u32, group: u32, columns: u32) -> array<vec4<f32>, 8> {
  let at = row_base + group * 4u;
  let a = weights[at];
  let b = weights[at + 1u];
  let c = weights[at + 2u];
  let d = weights[at + 3u];
  return array<vec4<f32>, 8>(
    halves(a.x, a.y), halves(a.z, a.w), halves(b.x, b.y), halves(b.z, b.w),
    halves(c.x, c.y), halves(c.z, c.w), halves(d.x, d.y), halves(d.z, d.w),
  );
}
