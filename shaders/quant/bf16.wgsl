// Group of 32: four vec4 of two upper halves of single precision a word.
//#import lib/plain-group

fn halves(a: u32, b: u32) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(a << 16u, a & 0xffff0000u, b << 16u, b & 0xffff0000u));
}

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  c: vec4<u32>,
  d: vec4<u32>,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 4u;
  return RawGroup(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    halves(raw.a.x, raw.a.y), halves(raw.a.z, raw.a.w), halves(raw.b.x, raw.b.y), halves(raw.b.z, raw.b.w),
    halves(raw.c.x, raw.c.y), halves(raw.c.z, raw.c.w), halves(raw.d.x, raw.d.y), halves(raw.d.z, raw.d.w),
  );
}
