// Two logits a pixel (background, foreground) -> a bit a pixel, 32 neighbours of a row a word, the leftmost in the lowest bit.
//#import lib/map-{storage}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.pixels / 32u) {
    return;
  }
  var word = 0u;
  for (var i = 0u; i < 32u; i += 1u) {
    let logits = arena[params.offset + (id.x * 32u + i) * params.stride];
    word |= select(0u, 1u << i, logits.y > logits.x);
  }
  bits[params.first_word + id.x] = word;
}
