const WORKGROUP: u32 = 256u;
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
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
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
// Four numbers stored as they are.
alias Stored = vec4<f32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return stored;
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return value;
}
// cos and sin of a pair's angle at a position. The angle of position p = 256·c + f is the sum of two tabulated ones, so that it is
// exact to rounding at any position: `rope` holds 256 fine rows, then the coarse rows.
fn fine_row(position: u32) -> u32 {
  return position % 256u;
}

fn coarse_row(position: u32) -> u32 {
  return 256u + position / 256u;
}

fn added_angles(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  return vec2<f32>(a.x * b.x - a.y * b.y, a.y * b.x + a.x * b.y);
}

fn rope_angle(position: u32, pair: u32, pairs: u32) -> vec2<f32> {
  return added_angles(rope[fine_row(position) * pairs + pair], rope[coarse_row(position) * pairs + pair]);
}
// Takes the rows of qkv = [queries | keys | values] of a pass, rotates queries and keys, and puts keys and values into the cache at their
// positions.
//
// RoPE: Su et al. 2021, arXiv 2104.09864, §3.2.2.
//
// units:  an invocation takes eight components of a head that turn with each other: each is read once, and so are their angles.
// else:   it takes four neighbouring components, whatever turns with them.
// staged: keys and values are put where they stand in the pass, on their way to the cache.
// head_norm: RMSNorm over each query and key head before the rotation.

struct Head {
  // Its first quad in the pass, and where that goes.
  first: u32,
  place: u32,
  is_key: bool,
  is_value: bool,
  scale: f32,
}

fn head_of(row: u32, head: u32) -> Head {
  var found: Head;
  found.first = (row * (params.heads + 2u * params.kv_heads) + head) * HEAD_DIM_VEC4S;
  found.is_value = head >= params.heads + params.kv_heads;
  found.is_key = head >= params.heads && !found.is_value;
  let slot = row;
  let kv_head = (head - params.heads) % params.kv_heads;
  let row_of_heads = select(row * params.heads + head, kv_head * params.context_length + slot, head >= params.heads);
  found.place = row_of_heads * HEAD_DIM_VEC4S;
  found.scale = 1.0;
  return found;
}

// Four components before rotation.
fn quad_of(head: Head, quad: u32) -> vec4<f32> {
  let value = qkv[head.first + quad];
  return value;
}

fn write(head: Head, quad: u32, value: vec4<f32>) {
  if (head.is_value) {
    v_cache[head.place + quad] = pack_stored(value);
  } else if (head.is_key) {
    k_cache[head.place + quad] = pack_stored(value);
  } else {
    queries[head.place + quad] = value;
  }
}

fn component(head: Head, i: u32) -> f32 {
  return quad_of(head, i / 4u)[i % 4u];
}

fn rotated(head: Head, i: u32, position: u32) -> f32 {
  let value = component(head, i);
  if (head.is_value || i >= params.rope_dimensions) {
    return value;
  }
  let half = params.rope_dimensions / 2u;
  let pair = i % half;
  let first = i < half;
  let partner = select(i - half, i + half, first);
  let angle = rope_angle(position, pair, params.rope_dimensions / 2u);
  let other = component(head, partner);
  return value * angle.x + select(other, -other, first) * angle.y;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let index = id.x / HEAD_DIM_VEC4S;
  if (index >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let position = state.position + row;
  let head = head_of(row, index);
  let quad = id.x % HEAD_DIM_VEC4S;
  let i = quad * 4u;
  write(head, quad, vec4<f32>(
    rotated(head, i, position), rotated(head, i + 1u, position),
    rotated(head, i + 2u, position), rotated(head, i + 3u, position),
  ));
}
