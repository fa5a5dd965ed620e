// Takes the rows of qkv = [queries | keys | values] of a pass, rotates queries in place, and puts rotated keys and the
// values into the cache at their positions. An invocation handles four neighbouring components of one head.
//
// RoPE: Su et al. 2021, arXiv 2104.09864, §3.2.2.
//
// staged: keys and values are put where they stand in the pass, on their way to the cache.
// head_norm: RMSNorm over each query and key head before the rotation.
//#import lib/state
//#import lib/rope-angle
//#import lib/stored-{kv}

//#if head_norm
fn head_scale(base: u32) -> f32 {
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM; i++) {
    squares += qkv[base + i] * qkv[base + i];
  }
  return inverseSqrt(squares / f32(HEAD_DIM) + params.epsilon);
}
//#endif

// Component i of the head at `base` before rotation.
fn component(base: u32, i: u32, scale: f32, is_key: bool) -> f32 {
  var value = qkv[base + i];
//#if head_norm
  value *= scale * select(q_norm[i], k_norm[i], is_key);
//#endif
  return value;
}

fn rotated(base: u32, i: u32, position: u32, scale: f32, is_key: bool) -> f32 {
  let value = component(base, i, scale, is_key);
  if (i >= params.rope_dimensions) {
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
//#if staged
  let slot = row;
//#else
  let slot = position;
//#endif
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
//#if head_norm
  scale = head_scale(base);
//#endif
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
