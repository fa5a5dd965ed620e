// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.
//#import lib/packed-bytes
//#import lib/scaled-pair

// Where bits of `either` are 0, those of x or y but not both; else those of both.
fn one_or_both(either: u32, x: u32, y: u32) -> u32 {
  return (x & y) ^ (~either & (x | y));
}

// The sixteen levels, signed bytes: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. Their eight bits as functions of those of q, for 32
// weights at once: no table, and no place in memory that depends on a weight. A line is one instruction where three inputs have any function.
fn level_bits(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let a = q.x;
  let b = q.y;
  let c = q.z;
  let d = q.w;
  let ab = ~d & (a | b);
  let abc = (a ^ b) | (b ^ c);
  let bd = b & d;
  let cab = (c & ~b) | (~c & a & b);
  let p3 = abc & ~(d & cab);
  let p4 = a ^ (d & abc);
  let p5 = b ^ (p4 & ~a);
  let p6 = c & (a | p3);
  let p0 = ~one_or_both(c, ab, p5);
  let p2 = ~p0 ^ (abc & ~bd);
  let p1 = one_or_both(a, p5, p2);
  return array<vec4<u32>, 2>(vec4<u32>(p0, p1, p2, p3), vec4<u32>(p4, p5, p6, ~d));
}

// Word p has bit p of all levels, of four in bits 0, 8, 16 and 24, of the next four in those behind: turned over, word j has four levels as bytes.
fn level_bytes(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let bits = level_bits(q);
  let a = halves_swapped(bits[0], bits[1], 4u, 0x0f0f0f0fu);
  let b = halves_swapped(vec4<u32>(a[0].xy, a[1].xy), vec4<u32>(a[0].zw, a[1].zw), 2u, 0x33333333u);
  let c = halves_swapped(vec4<u32>(b[0].xz, b[1].xz), vec4<u32>(b[0].yw, b[1].yw), 1u, 0x55555555u);
  return array<vec4<u32>, 2>(vec4<u32>(c[0].x, c[1].x, c[0].z, c[1].z), vec4<u32>(c[0].y, c[1].y, c[0].w, c[1].w));
}

// The upper bits of the first words against the lower ones of the second.
fn halves_swapped(first: vec4<u32>, second: vec4<u32>, shift: u32, low: u32) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(
    (first & vec4<u32>(low)) | ((second << vec4<u32>(shift)) & vec4<u32>(~low)),
    ((first >> vec4<u32>(shift)) & vec4<u32>(low)) | (second & vec4<u32>(~low)),
  );
}

fn numbers_of(raw: RawGroup) -> Group {
  let bytes = level_bytes(raw.numbers);
  return group_of_bytes(array<vec4<u32>, 2>(bytes[0] ^ vec4<u32>(0x80808080u), bytes[1] ^ vec4<u32>(0x80808080u)), 128.0);
}

//#if fixed
fn dot_numbers(numbers: vec4<u32>, x: FixedGroup) -> f32 {
  return f32(dot_bytes(level_bytes(numbers), x));
}
//#endif
