// weight = scale · level(q). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/row-words
//#import lib/scaled-group

// The sixteen levels, signed bytes, four to a word: -127 -104 -83 -65, -49 -35 -22 -10, 1 13 25 38, 53 69 89 113. Picked by
// selects and a shift, so that nothing is indexed by a variable: on a software adapter that is as fast as an array.
fn levels_of(q: vec4<u32>) -> vec4<i32> {
  let negative = select(vec4<u32>(0xbfad9881u), vec4<u32>(0xf6eaddcfu), (q & vec4<u32>(4u)) != vec4<u32>(0u));
  let positive = select(vec4<u32>(0x26190d01u), vec4<u32>(0x71594535u), (q & vec4<u32>(4u)) != vec4<u32>(0u));
  let four = select(negative, positive, q > vec4<u32>(7u));
  return bitcast<vec4<i32>>(four << (vec4<u32>(24u) - 8u * (q & vec4<u32>(3u)))) >> vec4<u32>(24u);
}

fn low_levels(word: u32) -> vec4<f32> {
  return vec4<f32>(levels_of((vec4<u32>(word) >> vec4<u32>(0u, 16u, 4u, 20u)) & vec4<u32>(15u)));
}

fn high_levels(word: u32) -> vec4<f32> {
  return vec4<f32>(levels_of((vec4<u32>(word) >> vec4<u32>(8u, 24u, 12u, 28u)) & vec4<u32>(15u)));
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
  return Group(
    low_levels(raw.numbers.x), high_levels(raw.numbers.x),
    low_levels(raw.numbers.y), high_levels(raw.numbers.y),
    low_levels(raw.numbers.z), high_levels(raw.numbers.z),
    low_levels(raw.numbers.w), high_levels(raw.numbers.w),
  );
}

//#if fixed
//#import lib/level-pairs
const NUMBER_BIAS: f32 = 0.0;

// Two words of eight elements: 0, 2, 4, 6 and 1, 3, 5, 7, since a byte of the row has element e and e + 2.
fn level_words(word: u32) -> vec2<u32> {
  let pairs = pairs_of_levels(word);
  return pairs.xz | (pairs.yw << vec2<u32>(16u));
}

fn bytes_of(raw: RawGroup) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(
    vec4<u32>(level_words(raw.numbers.x), level_words(raw.numbers.y)),
    vec4<u32>(level_words(raw.numbers.z), level_words(raw.numbers.w)),
  );
}

fn byte_order(a: vec4<u32>, b: vec4<u32>) -> array<vec4<u32>, 2> {
  return array<vec4<u32>, 2>(vec4<u32>(a.xz, b.xz), vec4<u32>(a.yw, b.yw));
}
//#endif
