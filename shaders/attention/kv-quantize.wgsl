// Keys and values of a pass go into packed caches. An invocation takes a block of a key and the same one of its value.
// ragged: rows of a head are as wide as it keeps them, in `staged` and in the caches, and their last block is as long as is left.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/pack-block

// So many quads of what is staged, then zeros: a block beyond the end of a row has none.
fn staged_block(first: u32, quads: u32) -> Block {
  var given: array<vec4<f32>, 8>;
  for (var i = 0u; i < quads; i++) {
    given[i] = staged[first + i];
  }
  return block_of(given);
}

//#if ragged
//#import lib/head-widths

// Quads of a block of a row of so many components.
fn quads_in(width: u32, block: u32) -> u32 {
  return min(8u, max(width / 4u, block * 8u) - block * 8u);
}
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let block = id.x % HEAD_BLOCKS;
  let kv_head = id.x / HEAD_BLOCKS % params.kv_heads;
  let row = id.x / HEAD_BLOCKS / params.kv_heads;
  if (row >= state.rows) {
    return;
  }
  let position = state.position + row;
//#if ragged
  let widths = head_widths[kv_head];
  if (block >= widths.blocks) {
    return;
  }
  let key_quads = quads_in(widths.key, block);
  let value_quads = quads_in(widths.value, block);
  // What is staged is of one layer, the caches may be of several.
  let before = head_widths[0];
  let given_key = ((widths.first_key - before.first_key) * params.staged_rows + row * widths.key) / 4u + block * 8u;
  let given_value = ((widths.first_value - before.first_value) * params.staged_rows + row * widths.value) / 4u + block * 8u;
  let key_at = widths.first_key / 8u * params.context_length + position * (widths.key / 8u) + block * 4u;
  let value_at = widths.first_value / 8u * params.context_length + position * (widths.value / 8u) + block * 4u;
  let scales_at = widths.first_block * params.context_length + position * widths.blocks + block;
//#else
  let key_quads = 8u;
  let value_quads = 8u;
  let given_key = ((kv_head * params.staged_rows + row) * HEAD_BLOCKS + block) * 8u;
  let given_value = given_key;
  let scales_at = (kv_head * params.context_length + position) * HEAD_BLOCKS + block;
  let key_at = scales_at * 4u;
  let value_at = key_at;
//#endif
  let key = staged_block(given_key, key_quads);
  let value = staged_block(params.first_value + given_value, value_quads);
  for (var i = 0u; i < key_quads / 2u; i++) {
    k_cache[key_at + i] = key.numbers[i];
  }
  for (var i = 0u; i < value_quads / 2u; i++) {
    v_cache[value_at + i] = value.numbers[i];
  }
  kv_scales[scales_at] = pack2x16float(vec2<f32>(key.scale, value.scale));
}
