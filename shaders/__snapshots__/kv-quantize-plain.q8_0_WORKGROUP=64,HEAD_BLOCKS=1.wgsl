const WORKGROUP: u32 = 64u;
const HEAD_BLOCKS: u32 = 1u;
struct Params {
  kv_heads: u32,
  context_length: u32,
  staged_rows: u32,
  first_value: u32,
}
const params = Params(2u, 16u, 3u, 48u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> staged: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> k_cache: array<Cached>;
@group(0) @binding(3) var<storage, read_write> v_cache: array<Cached>;
@group(0) @binding(4) var<storage, read_write> kv_scales: array<u32>;
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
// Numbers out of words.

// Eight 4-bit numbers of a word, less `bias`: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j. A number n at bits p to p + 3 of the
// mantissa of 2^(23 - p) makes 2^(23 - p) + n, so that no conversion is needed, and a shift only for bits that the mantissa has no room for.
fn low_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let bits = vec4<u32>(word, word, word, word >> 12u) & vec4<u32>(0xfu, 0xf0000u, 0xf0u, 0xf00u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x4b000000u, 0x43000000u, 0x49000000u, 0x47000000u))
    - (vec4<f32>(8388608.0, 128.0, 524288.0, 32768.0) + bias);
}

fn high_nibbles_less(word: u32, bias: f32) -> vec4<f32> {
  let upper = word >> 12u;
  let bits = vec4<u32>(word, upper, word, upper) & vec4<u32>(0xf00u, 0xf000u, 0xf000u, 0xf0000u);
  return bitcast<vec4<f32>>(bits | vec4<u32>(0x47000000u, 0x45000000u, 0x45000000u, 0x43000000u))
    - (vec4<f32>(32768.0, 2048.0, 2048.0, 128.0) + bias);
}

fn signed_bytes(word: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}
// Eight numbers of a block of 32, signed bytes. A word of kv_scales holds the scales of a block of a key and of the same one of its value.
alias Cached = vec2<u32>;

// The first or the second four.
fn numbers_of(cached: Cached, half: u32) -> vec4<f32> {
  return signed_bytes(cached[half]);
}

// Of a block whose component of largest magnitude is given.
fn scale_of(largest: f32) -> f32 {
  return abs(largest) / 127.0;
}

fn pack_byte_quad(scaled: vec4<f32>) -> u32 {
  return dot(vec4<u32>(vec4<i32>(scaled + 0.5 * sign(scaled))) & vec4<u32>(0xffu), vec4<u32>(1u, 0x100u, 0x10000u, 0x1000000u));
}

fn pack_numbers(a: vec4<f32>, b: vec4<f32>) -> Cached {
  return vec2<u32>(pack_byte_quad(a), pack_byte_quad(b));
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Caches of q8_0: numbers in blocks that share a scale. A Stored is what four of them stand for.
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
// Keys and values of a pass go into packed caches. An invocation takes a block of a key and the same one of its value.
// ragged: rows of a head are as wide as it keeps them, in `staged` and in the caches, and their last block is as long as is left.

// So many quads of what is staged, then zeros: a block beyond the end of a row has none.
fn staged_block(first: u32, quads: u32) -> Block {
  var given: array<vec4<f32>, 8>;
  for (var i = 0u; i < quads; i++) {
    given[i] = staged[first + i];
  }
  return block_of(given);
}


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let block = id.x % HEAD_BLOCKS;
  let kv_head = id.x / HEAD_BLOCKS % params.kv_heads;
  let row = id.x / HEAD_BLOCKS / params.kv_heads;
  if (row >= state.rows) {
    return;
  }
  let position = state.position + row;
  let key_quads = 8u;
  let value_quads = 8u;
  let given_key = ((kv_head * params.staged_rows + row) * HEAD_BLOCKS + block) * 8u;
  let given_value = given_key;
  let scales_at = (kv_head * params.context_length + position) * HEAD_BLOCKS + block;
  let key_at = scales_at * 4u;
  let value_at = key_at;
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
