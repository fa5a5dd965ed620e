// A group whose weights have no scale of their own: they are decoded, then multiplied.
//#import lib/dot-group

fn dot_raw(raw: RawGroup, x: Group) -> f32 {
  return dot_group(decode(raw), x);
}
