// Takes the rows of qkv = [queries | keys | values] of a pass, rotates queries and keys, and puts keys and values into the cache at their
// positions.
//
// RoPE: Su et al. 2021, arXiv 2104.09864, §3.2.2.
//
// units:  an invocation takes eight components of a head that turn with each other: each is read once, and so are their angles.
// else:   it takes four neighbouring components, whatever turns with them.
// staged: keys and values are put where they stand in the pass, on their way to the cache.
// head_norm: RMSNorm over each query and key head before the rotation.
//#import lib/state
//#import lib/stored-{kv}
//#if units
//#import lib/turn-quads
//#else
//#import lib/rope-angle
//#endif

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
//#if staged
  let slot = row;
//#else
  let slot = state.position + row;
//#endif
  let kv_head = (head - params.heads) % params.kv_heads;
  let row_of_heads = select(row * params.heads + head, kv_head * params.context_length + slot, head >= params.heads);
  found.place = row_of_heads * HEAD_DIM_VEC4S;
  found.scale = 1.0;
//#if head_norm
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    let quad = qkv[found.first + i];
    squares += dot(quad, quad);
  }
  found.scale = inverseSqrt(squares / f32(4u * HEAD_DIM_VEC4S) + params.epsilon);
//#endif
  return found;
}

// Four components before rotation.
fn quad_of(head: Head, quad: u32) -> vec4<f32> {
  let value = qkv[head.first + quad];
//#if head_norm
  if (!head.is_value) {
    return value * head.scale * select(q_norm[quad], k_norm[quad], head.is_key);
  }
//#endif
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

//#if !units
fn component(head: Head, i: u32) -> f32 {
  return quad_of(head, i / 4u)[i % 4u];
}

fn rotated(head: Head, i: u32, position: u32) -> f32 {
  let value = component(head, i);
  if (head.is_value || i >= params.rope_dimensions) {
    return value;
  }
//#if interleaved
  let pair = i / 2u;
  let partner = i ^ 1u;
  let first = i % 2u == 0u;
//#else
  let half = params.rope_dimensions / 2u;
  let pair = i % half;
  let first = i < half;
  let partner = select(i - half, i + half, first);
//#endif
  let angle = rope_angle(position, pair, params.rope_dimensions / 2u);
  let other = component(head, partner);
  return value * angle.x + select(other, -other, first) * angle.y;
}
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
//#if units
  let index = id.x / UNITS_PER_HEAD;
//#else
  let index = id.x / HEAD_DIM_VEC4S;
//#endif
  if (index >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let position = state.position + row;
  let head = head_of(row, index);
//#if units
  let unit = id.x % UNITS_PER_HEAD;
  let quads = quads_of(unit);
  var values = Quads(quad_of(head, quads.x), quad_of(head, quads.y));
  if (!head.is_value) {
    values = turn(values, load_turning(unit, quads, position));
  }
  write(head, quads.x, values.a);
  write(head, quads.y, values.b);
//#else
  let quad = id.x % HEAD_DIM_VEC4S;
  let i = quad * 4u;
  write(head, quad, vec4<f32>(
    rotated(head, i, position), rotated(head, i + 1u, position),
    rotated(head, i + 2u, position), rotated(head, i + 3u, position),
  ));
//#endif
}
