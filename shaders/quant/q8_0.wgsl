// weight = scale · q. Planes of a row: 32 signed bytes a group, then a half-precision scale a group.
//#import lib/row-words
//#import lib/unpack-words
//#import lib/scaled-group

struct RawGroup {
  a: vec4<u32>,
  b: vec4<u32>,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  let at = row_base + group * 2u;
  return RawGroup(weights[at], weights[at + 1u], weight_half(row_base, columns / 2u + group));
}

fn numbers_of(raw: RawGroup) -> Group {
  return Group(
    signed_bytes(raw.a.x), signed_bytes(raw.a.y), signed_bytes(raw.a.z), signed_bytes(raw.a.w),
    signed_bytes(raw.b.x), signed_bytes(raw.b.y), signed_bytes(raw.b.z), signed_bytes(raw.b.w),
  );
}

//#if fixed
fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(array<vec4<u32>, 2>(raw.a, raw.b), x));
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(a, b);
}
//#endif
