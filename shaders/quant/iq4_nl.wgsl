// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.
//#import lib/row-words
//#import lib/packed-bytes
//#import lib/scaled-group

// The sixteen levels, signed bytes: -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113. Their eight bits as functions of those of q, for 32
// weights at once: no table, and no place in memory that depends on a weight.
fn level_bits(q: vec4<u32>) -> array<vec4<u32>, 2> {
  let a = q.x;
  let b = q.y;
  let c = q.z;
  let d = q.w;
  let odd = a & (b ^ c);
  return array<vec4<u32>, 2>(
    vec4<u32>(
      ~c ^ ((d ^ (~b & ~(c & d))) & (a | c)),
      ~odd ^ (~c | (~odd & d)),
      (~d & ((b ^ c) | (a & c))) | (d & ((c & ~b) | (a & ~c))),
      (~d & ((a ^ b) | (b ^ c))) | (d & (a ^ b) & ~(a & c)),
    ),
    vec4<u32>(
      a ^ (d & ((a ^ b) | (a ^ c))),
      b ^ (d & ~a & (b | c)),
      c & (a | b | ~d),
      ~d,
    ),
  );
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

struct RawGroup {
  numbers: vec4<u32>,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}

fn scale_of(raw: RawGroup) -> f32 {
  return raw.scale;
}

fn numbers_of(raw: RawGroup) -> Group {
  let bytes = level_bytes(raw.numbers);
  return group_of_bytes(array<vec4<u32>, 2>(bytes[0] ^ vec4<u32>(0x80808080u), bytes[1] ^ vec4<u32>(0x80808080u)), 128.0);
}

//#if fixed
const NUMBER_BIAS: f32 = 0.0;

fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return level_bytes(raw.numbers);
}
//#endif
