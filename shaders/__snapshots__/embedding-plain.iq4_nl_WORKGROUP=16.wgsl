const WORKGROUP: u32 = 16u;
struct Params {
  groups: u32,
  row_vec4s: u32,
  vocabulary: u32,
  first_token: u32,
  scale: f32,
}
const params = Params(16u, 18u, 61u, 0u, 1f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
// Inner products in groups of 32, written out: every index is a constant, so the arrays stay in registers.
alias Group = array<vec4<f32>, 8>;

fn dot_group(a: Group, b: Group) -> f32 {
  return dot(a[0], b[0]) + dot(a[1], b[1]) + dot(a[2], b[2]) + dot(a[3], b[3])
    + dot(a[4], b[4]) + dot(a[5], b[5]) + dot(a[6], b[6]) + dot(a[7], b[7]);
}
// Numbers of a group as bytes, as src/quant/pack.ts packs them: of eight elements 0, 4, 1, 5 in one word and 2, 6, 3, 7 in the next.

// Four neighbours less `bias`, out of two words of four.
fn four_of_bytes(a: u32, b: u32, bias: f32) -> vec4<f32> {
  return vec4<f32>(vec4<u32>(a, a >> 16u, b, b >> 16u) & vec4<u32>(255u)) - bias;
}

// The numbers in their order, less `bias`.
fn group_of_bytes(bytes: array<vec4<u32>, 2>, bias: f32) -> Group {
  let a = bytes[0];
  let b = bytes[1];
  let c = a >> vec4<u32>(8u);
  let d = b >> vec4<u32>(8u);
  return Group(
    four_of_bytes(a.x, a.y, bias), four_of_bytes(c.x, c.y, bias), four_of_bytes(a.z, a.w, bias), four_of_bytes(c.z, c.w, bias),
    four_of_bytes(b.x, b.y, bias), four_of_bytes(d.x, d.y, bias), four_of_bytes(b.z, b.w, bias), four_of_bytes(d.z, d.w, bias),
  );
}

fn nibble_bytes(words: vec4<u32>) -> array<vec4<u32>, 2> {
  let even = words & vec4<u32>(0x0f0f0f0fu);
  let odd = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
  return array<vec4<u32>, 2>(vec4<u32>(even.x, odd.x, even.y, odd.y), vec4<u32>(even.z, odd.z, even.w, odd.w));
}

fn two_bit_bytes(words: vec2<u32>) -> array<vec4<u32>, 2> {
  let shifts = vec4<u32>(0u, 2u, 4u, 6u);
  return array<vec4<u32>, 2>(
    (vec4<u32>(words.x) >> shifts) & vec4<u32>(0x03030303u), (vec4<u32>(words.y) >> shifts) & vec4<u32>(0x03030303u),
  );
}

// Of 3, 5 and 6 bits, the last words' numbers lie in what is left of the other bytes.
fn three_bit_bytes(words: vec2<u32>, third: u32) -> array<vec4<u32>, 2> {
  let all = vec3<u32>(words, third);
  let low = all & vec3<u32>(0x07070707u);
  let high = (all >> vec3<u32>(3u)) & vec3<u32>(0x07070707u);
  let last = ((words >> vec2<u32>(6u)) & vec2<u32>(0x03030303u)) | ((vec2<u32>(third) >> vec2<u32>(4u, 5u)) & vec2<u32>(0x04040404u));
  return array<vec4<u32>, 2>(vec4<u32>(low.x, high.x, low.y, high.y), vec4<u32>(low.z, high.z, last));
}

fn five_bit_bytes(words: vec4<u32>, fifth: u32) -> array<vec4<u32>, 2> {
  let late = vec3<u32>(words.w, fifth, words.w);
  let last = ((words.xyz >> vec3<u32>(5u)) & vec3<u32>(0x07070707u))
    | ((late >> vec3<u32>(2u, 2u, 4u)) & vec3<u32>(0x18181818u, 0x18181818u, 0x08080808u));
  return array<vec4<u32>, 2>(
    words & vec4<u32>(0x1f1f1f1fu),
    vec4<u32>(fifth & 0x1f1f1f1fu, last.xy, last.z | ((fifth >> 3u) & 0x10101010u)),
  );
}

fn six_bit_bytes(words: vec4<u32>, late: vec2<u32>) -> array<vec4<u32>, 2> {
  let last = ((vec2<u32>(words.x, words.w) >> vec2<u32>(6u)) & vec2<u32>(0x03030303u))
    | ((vec2<u32>(words.y, late.x) >> vec2<u32>(4u)) & vec2<u32>(0x0c0c0c0cu))
    | ((vec2<u32>(words.z, late.y) >> vec2<u32>(2u)) & vec2<u32>(0x30303030u));
  return array<vec4<u32>, 2>(
    words & vec4<u32>(0x3f3f3f3fu),
    vec4<u32>(late & vec2<u32>(0x3f3f3f3fu), last),
  );
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(vec4<u32>(a.x, b.x, a.y, b.y), vec4<u32>(a.z, b.z, a.w, b.w));
}
// Words of the matrix, and what halves of them are.

// The word at this index of the row's words: the row's vectors come first, so that what a lane adds to them is the same for all rows.
fn weight_word(row_base: u32, at: u32) -> u32 {
  return weights[row_base + (at >> 2u)][at & 3u];
}

// Two words, the first of which has an even index, in one load.
fn weight_pair(row_base: u32, at: u32) -> vec2<u32> {
  let four = weights[row_base + (at >> 2u)];
  return select(four.xy, four.zw, (at & 2u) != 0u);
}

// The half-precision number at this index of the row's half words. Converted as it comes: kept as a word until it is used, decoding was 8 %
// slower on an H200, as if nothing were on its way. now: kept, since weights come in a branch, which would wait for it.
alias Half = f32;

fn weight_half(row_base: u32, at: u32) -> Half {
  let both = unpack2x16float(weight_word(row_base, at >> 1u));
  return select(both.x, both.y, (at & 1u) == 1u);
}

fn number_of(half: Half) -> f32 {
  return half;
}
// Decoding of groups of 32 weights that share a scale: weight = scale · number. In a product the scale comes in once, behind the sum.

fn decode(raw: RawGroup) -> Group {
  let n = numbers_of(raw);
  let scale = number_of(raw.scale);
  return Group(n[0] * scale, n[1] * scale, n[2] * scale, n[3] * scale, n[4] * scale, n[5] * scale, n[6] * scale, n[7] * scale);
}

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return number_of(raw.scale) * dot_group(numbers_of(raw), x);
}
// Groups of 16 bytes of numbers and a half-precision scale. In a product in fixed point a lane takes one, or in pairs two, whose scales are one
// word: a row of an odd number of groups ends with a scale of 0.

struct RawGroup {
  numbers: vec4<u32>,
  scale: Half,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}
// weight = scale · level(q). Planes of a row: 16 bytes a group, of which word p has bit p of every q, then a half-precision scale a group.

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
// y[row] = weights[token of row] · scale, decoded from its storage format. An invocation makes a group of 32.
// part: the matrix begins with token `first_token`, and rows of tokens that are not in it are left as they are.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let group = id.x;
  let row = id.z;
  if (group >= params.groups || row >= state.rows) {
    return;
  }
  let token = min(state.tokens[row], params.vocabulary - 1u);
  let values = decode(load_raw(token * params.row_vec4s, group, params.groups * 32u));
  let at = (row * params.groups + group) * 8u;
  for (var i = 0u; i < 8u; i++) {
    y[at + i] = values[i] * params.scale;
  }
}
