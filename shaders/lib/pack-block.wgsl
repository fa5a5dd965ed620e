// A block of a packed cache, by the rules of GGUF's format of the same name: 32 components of one head of one token.
struct Block {
  scale: f32,
  numbers: array<Cached, 4>,
}

fn block_of(quads: array<vec4<f32>, 8>) -> Block {
  var given = quads;
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    for (var c = 0u; c < 4u; c++) {
      largest = select(largest, given[i][c], abs(given[i][c]) > abs(largest));
    }
  }
  var block: Block;
  block.scale = scale_of(largest);
  let inverse = select(1.0 / block.scale, 0.0, largest == 0.0);
  for (var i = 0u; i < 4u; i++) {
    block.numbers[i] = pack_numbers(given[2u * i] * inverse, given[2u * i + 1u] * inverse);
  }
  return block;
}
