const WORKGROUP: u32 = 256u;
const HEAD_DIM_VEC4S: u32 = 8u;
struct Params {
  heads: u32,
  kv_heads: u32,
  context_length: u32,
  rope_dimensions: u32,
  epsilon: f32,
}
const params = Params(4u, 2u, 40u, 32u, 9.999999974752427e-7f);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rope: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> queries: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(6) var<storage, read> q_norm: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> k_norm: array<vec4<f32>>;
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
// RoPE (arXiv 2104.09864, section 3.2.2) of a head in units of eight components: two quads that turn with each other. A head has
// HEAD_DIM_VEC4S / 2 of them.

const UNIT_ROWS: u32 = 8u;
const UNITS_PER_HEAD: u32 = HEAD_DIM_VEC4S / 2u;

// The two quads of unit `u`.
fn quads_of(u: u32) -> vec2<u32> {
  let turned = params.rope_dimensions / 8u;
  if (u < turned) {
    return vec2<u32>(u, u + turned);
  }
  return vec2<u32>(2u * u, 2u * u + 1u);
}

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of the tabulated angles that a unit's four pairs turn by (lib/rope-angle): added up when it turns, so that until then nothing waits
// for them.
struct Turning {
  fine: mat4x2<f32>,
  coarse: mat4x2<f32>,
  turns: bool,
}

fn tabulated(first: u32) -> mat4x2<f32> {
  return mat4x2<f32>(rope[first], rope[first + 1u], rope[first + 2u], rope[first + 3u]);
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
    let pairs = params.rope_dimensions / 2u;
    let first = u * 4u;
    turning.fine = tabulated(fine_row(position) * pairs + first);
    turning.coarse = tabulated(coarse_row(position) * pairs + first);
  }
  return turning;
}

// What undoes a turning. Where RoPE's angles have a magnitude, the coarse ones have it: it is taken out again.
fn turned_back(turning: Turning) -> Turning {
  var back = turning;
  for (var i = 0u; i < 4u; i++) {
    let fine = turning.fine[i];
    let coarse = turning.coarse[i];
    back.fine[i] = vec2<f32>(fine.x, -fine.y);
    back.coarse[i] = vec2<f32>(coarse.x, -coarse.y) / dot(coarse, coarse);
  }
  return back;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
  let angle = mat4x2<f32>(
    added_angles(turning.fine[0], turning.coarse[0]), added_angles(turning.fine[1], turning.coarse[1]),
    added_angles(turning.fine[2], turning.coarse[2]), added_angles(turning.fine[3], turning.coarse[3]),
  );
  let by = transpose(angle);
  return Quads(a * by[0] - b * by[1], b * by[0] + a * by[1]);
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
  let slot = state.position + row;
  let kv_head = (head - params.heads) % params.kv_heads;
  let row_of_heads = select(row * params.heads + head, kv_head * params.context_length + slot, head >= params.heads);
  found.place = row_of_heads * HEAD_DIM_VEC4S;
  found.scale = 1.0;
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    let quad = qkv[found.first + i];
    squares += dot(quad, quad);
  }
  found.scale = inverseSqrt(squares / f32(4u * HEAD_DIM_VEC4S) + params.epsilon);
  return found;
}

// Four components before rotation.
fn quad_of(head: Head, quad: u32) -> vec4<f32> {
  let value = qkv[head.first + quad];
  if (!head.is_value) {
    return value * head.scale * select(q_norm[quad], k_norm[quad], head.is_key);
  }
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


@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let index = id.x / UNITS_PER_HEAD;
  if (index >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let position = state.position + row;
  let head = head_of(row, index);
  let unit = id.x % UNITS_PER_HEAD;
  let quads = quads_of(unit);
  var values = Quads(quad_of(head, quads.x), quad_of(head, quads.y));
  if (!head.is_value) {
    values = turn(values, load_turning(unit, quads, position));
  }
  write(head, quads.x, values.a);
  write(head, quads.y, values.b);
}
