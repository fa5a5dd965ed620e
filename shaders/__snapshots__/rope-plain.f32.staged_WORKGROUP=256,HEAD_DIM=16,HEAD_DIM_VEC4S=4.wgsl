const WORKGROUP: u32 = 256u;
const HEAD_DIM: u32 = 16u;
const HEAD_DIM_VEC4S: u32 = 4u;
struct Params {
  heads: u32,
  kv_heads: u32,
  context_length: u32,
  rope_dimensions: u32,
  epsilon: f32,
}
const params = Params(4u, 2u, 40u, 16u, 0f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<Stored>;
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
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  let fine = rope[(position % 256u) * pairs + pair];
  let coarse = rope[(256u + position / 256u) * pairs + pair];
  return vec2<f32>(fine.x * coarse.x - fine.y * coarse.y, fine.y * coarse.x + fine.x * coarse.y);
}
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// Takes the rows of qkv = [queries | keys | values] of a pass, rotates queries in place, and puts rotated keys and the
// values into the cache at their positions. An invocation handles four neighbouring components of one head.
//
// RoPE: Su et al. 2021, arXiv 2104.09864, §3.2.2.
//
// staged: keys and values are put where they stand in the pass, on their way to the cache.
// head_norm: RMSNorm over each query and key head before the rotation.


// Component i of the head at `base` before rotation.
fn component(base: u32, i: u32, scale: f32, is_key: bool) -> f32 {
  var value = qkv[base + i];
  return value;
}

fn rotated(base: u32, i: u32, position: u32, scale: f32, is_key: bool) -> f32 {
  let value = component(base, i, scale, is_key);
  if (i >= params.rope_dimensions) {
    return value;
  }
  let half = params.rope_dimensions / 2u;
  let pair = i % half;
  let first = i < half;
  let partner = select(i - half, i + half, first);
  let angle = rope_angle(position, pair, params.rope_dimensions / 2u);
  let other = component(base, partner, scale, is_key);
  return value * angle.x + select(other, -other, first) * angle.y;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let heads = params.heads + 2u * params.kv_heads;
  let head = id.x / HEAD_DIM_VEC4S;
  if (head >= heads || row >= state.rows) {
    return;
  }
  let quad = id.x % HEAD_DIM_VEC4S;
  let position = state.position + row;
  let slot = row;
  let base = (row * heads + head) * HEAD_DIM;
  let i = quad * 4u;
  if (head >= params.heads + params.kv_heads) {
    let kv_head = head - params.heads - params.kv_heads;
    let value = vec4<f32>(qkv[base + i], qkv[base + i + 1u], qkv[base + i + 2u], qkv[base + i + 3u]);
    v_cache[(kv_head * params.context_length + slot) * HEAD_DIM_VEC4S + quad] = pack_stored(value);
    return;
  }
  let is_key = head >= params.heads;
  var scale = 1.0;
  let turned = vec4<f32>(
    rotated(base, i, position, scale, is_key),
    rotated(base, i + 1u, position, scale, is_key),
    rotated(base, i + 2u, position, scale, is_key),
    rotated(base, i + 3u, position, scale, is_key),
  );
  if (is_key) {
    let kv_head = head - params.heads;
    k_cache[(kv_head * params.context_length + slot) * HEAD_DIM_VEC4S + quad] = pack_stored(turned);
  } else {
    queries[(row * params.heads + head) * HEAD_DIM_VEC4S + quad] = turned;
  }
}
