// Rotated keys and values of a pass go into packed caches, by the rules of GGUF's formats of the same name: a block is 32 components of one
// head of one token. An invocation takes a block of a key and the same one of its value.
//#import lib/state
//#import lib/stored-{kv}

struct Block {
  scale: f32,
  numbers: array<Cached, 4>,
}

fn quantized(first: u32) -> Block {
  var largest = 0.0;
  for (var i = 0u; i < 8u; i++) {
    let quad = staged[first + i];
    for (var c = 0u; c < 4u; c++) {
      largest = select(largest, quad[c], abs(quad[c]) > abs(largest));
    }
  }
  var block: Block;
  block.scale = scale_of(largest);
  let inverse = select(1.0 / block.scale, 0.0, largest == 0.0);
  for (var i = 0u; i < 4u; i++) {
    block.numbers[i] = pack_numbers(staged[first + 2u * i] * inverse, staged[first + 2u * i + 1u] * inverse);
  }
  return block;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let block = id.x % HEAD_BLOCKS;
  let kv_head = id.x / HEAD_BLOCKS % params.kv_heads;
  let row = id.x / HEAD_BLOCKS / params.kv_heads;
  if (row >= state.rows) {
    return;
  }
  let given = ((kv_head * params.staged_rows + row) * HEAD_BLOCKS + block) * 8u;
  let at = (kv_head * params.context_length + state.position + row) * HEAD_BLOCKS + block;
  let key = quantized(given);
  let value = quantized(params.first_value + given);
  for (var i = 0u; i < 4u; i++) {
    k_cache[at * 4u + i] = key.numbers[i];
    v_cache[at * 4u + i] = value.numbers[i];
  }
  kv_scales[at] = pack2x16float(vec2<f32>(key.scale, value.scale));
}
