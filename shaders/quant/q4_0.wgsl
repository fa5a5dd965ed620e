// weight = scale · (q − 8). Planes of a row: 16 bytes of nibbles a group, then a half-precision scale a group.
//#import lib/nibble-group
//#import lib/scaled-pair

fn numbers_of(raw: RawGroup) -> Group {
  return four_bits(raw.numbers, 8.0);
}

//#if fixed
fn dot_numbers(raw: RawGroup, x: FixedGroup) -> f32 {
  return f32(dot_bytes(nibble_bytes(raw.numbers), x)) - 8.0 * sum_of(x);
}
//#endif
