// weight = scale · level(q). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/unpack-nibbles

// The sixteen levels, signed bytes, four to a word: -127 -104 -83 -65, -49 -35 -22 -10, 1 13 25 38, 53 69 89 113. Picked by
// selects and a shift, so that nothing is indexed by a variable: on a software adapter that is as fast as an array.
fn levels(q: vec4<u32>) -> vec4<f32> {
  let negative = select(vec4<u32>(0xbfad9881u), vec4<u32>(0xf6eaddcfu), (q & vec4<u32>(4u)) != vec4<u32>(0u));
  let positive = select(vec4<u32>(0x26190d01u), vec4<u32>(0x71594535u), (q & vec4<u32>(4u)) != vec4<u32>(0u));
  let four = select(negative, positive, q > vec4<u32>(7u));
  let level = bitcast<vec4<i32>>(four << (vec4<u32>(24u) - 8u * (q & vec4<u32>(3u)))) >> vec4<u32>(24u);
  return vec4<f32>(level);
}

fn low_levels(word: u32) -> vec4<f32> {
  return levels((vec4<u32>(word) >> vec4<u32>(0u, 16u, 4u, 20u)) & vec4<u32>(15u));
}

fn high_levels(word: u32) -> vec4<f32> {
  return levels((vec4<u32>(word) >> vec4<u32>(8u, 24u, 12u, 28u)) & vec4<u32>(15u));
}

struct RawGroup {
  numbers: vec4<u32>,
  scale: f32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_half(row_base, columns / 4u + group));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  return array<vec4<f32>, 8>(
    low_levels(raw.numbers.x) * raw.scale, high_levels(raw.numbers.x) * raw.scale,
    low_levels(raw.numbers.y) * raw.scale, high_levels(raw.numbers.y) * raw.scale,
    low_levels(raw.numbers.z) * raw.scale, high_levels(raw.numbers.z) * raw.scale,
    low_levels(raw.numbers.w) * raw.scale, high_levels(raw.numbers.w) * raw.scale,
  );
}
