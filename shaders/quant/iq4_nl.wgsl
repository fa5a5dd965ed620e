// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.
//#import lib/packed-bytes
//#import lib/scaled-pair

// The sixteen levels, signed bytes: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. Their eight bits as functions of those of q, for 32
// weights at once: no table, and no place in memory that depends on a weight. What has three inputs is one instruction, whatever it does with them.
fn level_bits(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let a = q.x;
  let b = q.y;
  let c = q.z;
  let d = q.w;
  let abc = (a ^ b) | (b ^ c);
  let p3 = abc & ~(d & ((c & ~b) | (~c & a & b)));
  let p4 = a ^ (d & abc);
  let p5 = b ^ (p4 & ~a);
  let ab = ~d & (a | b);
  let not_p0 = (ab & p5) ^ (~c & (ab | p5));
  let p2 = not_p0 ^ (abc & ~(b & d));
  let p1 = (p2 & p5) ^ (~a & (p2 | p5));
  return array<vec4<u32>, 2>(vec4<u32>(~not_p0, p1, p2, p3), vec4<u32>(p4, p5, c & (a | p3), ~d));
}

// Word p has bit p of all levels, of four in bits 0, 8, 16 and 24, of the next four in those behind: turned over, word j has four levels as bytes.
fn level_bytes(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let bits = level_bits(q);
  let a = halves_swapped(bits[0], bits[1], vec4<u32>(4u), vec4<u32>(0x0f0f0f0fu));
  let b = halves_swapped(vec4<u32>(a[0].xy, a[1].xy), vec4<u32>(a[0].zw, a[1].zw), vec4<u32>(2u), vec4<u32>(0x33333333u));
  let c = halves_swapped(vec4<u32>(b[0].xz, b[1].xz), vec4<u32>(b[0].yw, b[1].yw), vec4<u32>(1u), vec4<u32>(0x55555555u));
  return array<vec4<u32>, 2>(vec4<u32>(c[0].x, c[1].x, c[0].z, c[1].z), vec4<u32>(c[0].y, c[1].y, c[0].w, c[1].w));
}

// The upper bits of the first words against the lower ones of the second: what one has more than the other is added there and subtracted here. Units that
// multiply and add do that; as masks and shifts it would be up to those of logic alone.
fn halves_swapped(first: vec4<u32>, second: vec4<u32>, shift: vec4<u32>, low: vec4<u32>) -> array<vec4<u32>, 2> {
  let more = (second & low) - ((first >> shift) & low);
  return array<vec4<u32>, 2>(first + (more << shift), second - more);
}

fn numbers_of(raw: RawGroup) -> Group {
  let bytes = level_bytes(raw.numbers);
  return group_of_bytes(array<vec4<u32>, 2>(bytes[0] ^ vec4<u32>(0x80808080u), bytes[1] ^ vec4<u32>(0x80808080u)), 128.0);
}

//#if fixed
fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(level_bytes(raw.numbers), x));
}
//#endif
