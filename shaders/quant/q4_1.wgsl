// weight = scale · q + minimum. Planes of a row: 16 bytes of nibbles a group, then scale and minimum (half) a group.
//#import lib/unpack-nibbles

struct RawGroup {
  numbers: vec4<u32>,
  // Scale and minimum.
  factors: u32,
}

fn load_raw(row_base: u32, group: u32, columns: u32) -> RawGroup {
  return RawGroup(weights[row_base + group], weight_word(row_base * 4u + columns / 8u + group));
}

fn decode(raw: RawGroup) -> array<vec4<f32>, 8> {
  let factors = unpack2x16float(raw.factors);
  let scale = vec4<f32>(factors.x);
  let offset = vec4<f32>(factors.y);
  return array<vec4<f32>, 8>(
    fma(low_nibbles(raw.numbers.x), scale, offset), fma(high_nibbles(raw.numbers.x), scale, offset),
    fma(low_nibbles(raw.numbers.y), scale, offset), fma(high_nibbles(raw.numbers.y), scale, offset),
    fma(low_nibbles(raw.numbers.z), scale, offset), fma(high_nibbles(raw.numbers.z), scale, offset),
    fma(low_nibbles(raw.numbers.w), scale, offset), fma(high_nibbles(raw.numbers.w), scale, offset),
  );
}
