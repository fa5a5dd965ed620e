// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.
//#import lib/packed-bytes
//#import lib/scaled-pair

// The sixteen levels: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. Their negatives as signed bytes, whose sign is the last bit of q: the
// other seven bits are functions of the four of q, for 32 weights at once. No table, and no place in memory that depends on a weight. What has three
// inputs is one instruction, whatever it does with them: here ten, the fewest that a search found; of the levels themselves eleven.
fn negative_bits(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let a = q.x;
  let b = q.y;
  let c = q.z;
  let d = q.w;
  let s = b ^ (a & (b ^ c));
  let p6 = ~c | (d & ~s);
  let t = (a ^ b) | (a ^ c);
  let p1 = d | s | ~t;
  let p4 = ~a ^ (d & t);
  let p5 = b ^ (a | p4);
  let u = s ^ (c & ~d);
  let p0 = u | (b ^ p1);
  let p2 = p4 ^ (u | (a & p4));
  let p3 = a ^ u ^ p0;
  return array<vec4<u32>, 2>(vec4<u32>(p0, p1, p2, p3), vec4<u32>(p4, p5, p6, d));
}

// Word p has bit p of all, of four in bits 0, 8, 16 and 24, of the next four in those behind: turned over, word j has four as bytes.
fn negative_bytes(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let bits = negative_bits(q);
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
  let bytes = negative_bytes(raw.numbers);
  // 127 less a signed byte is that byte with its lower bits the other way round.
  return group_of_bytes(array<vec4<u32>, 2>(bytes[0] ^ vec4<u32>(0x7f7f7f7fu), bytes[1] ^ vec4<u32>(0x7f7f7f7fu)), 127.0);
}

//#if fixed
fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return -f32(dot_bytes(negative_bytes(raw.numbers), x));
}
//#endif
