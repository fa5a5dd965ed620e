// RoPE (arXiv 2104.09864, section 3.2.2) of a head in units of eight components: two quads that turn with each other. A head has
// HEAD_DIM_VEC4S / 2 of them.
//#import lib/rope-angle

const UNIT_ROWS: u32 = 8u;
const UNITS_PER_HEAD: u32 = HEAD_DIM_VEC4S / 2u;

// The two quads of unit `u`.
fn quads_of(u: u32) -> vec2<u32> {
//#if !interleaved
  let turned = params.rope_dimensions / 8u;
  if (u < turned) {
    return vec2<u32>(u, u + turned);
  }
//#endif
  return vec2<u32>(2u * u, 2u * u + 1u);
}

// cos and sin of the angles of four neighbouring pairs from `first` on.
fn angles(position: u32, first: u32) -> mat4x2<f32> {
  let pairs = params.rope_dimensions / 2u;
  return mat4x2<f32>(
    rope_angle(position, first, pairs), rope_angle(position, first + 1u, pairs),
    rope_angle(position, first + 2u, pairs), rope_angle(position, first + 3u, pairs),
  );
}

struct Quads {
  a: vec4<f32>,
  b: vec4<f32>,
}

// cos and sin of what a unit turns by.
struct Turning {
//#if interleaved
  pairs: mat4x2<f32>,
//#else
  cos: vec4<f32>,
  sin: vec4<f32>,
//#endif
  turns: bool,
}

fn load_turning(u: u32, quads: vec2<u32>, position: u32) -> Turning {
  var turning: Turning;
  turning.turns = quads.x * 4u < params.rope_dimensions;
  if (turning.turns) {
//#if interleaved
    turning.pairs = angles(position, quads.x * 2u);
//#else
    let angle = transpose(angles(position, u * 4u));
    turning.cos = angle[0];
    turning.sin = angle[1];
//#endif
  }
  return turning;
}

// What undoes a turning. Where RoPE's angles have a magnitude, it is taken out again.
fn turned_back(turning: Turning) -> Turning {
  var back = turning;
//#if interleaved
  for (var i = 0u; i < 4u; i++) {
    let angle = turning.pairs[i];
    back.pairs[i] = vec2<f32>(angle.x, -angle.y) / dot(angle, angle);
  }
//#else
  let size = turning.cos * turning.cos + turning.sin * turning.sin;
  back.cos = turning.cos / size;
  back.sin = -turning.sin / size;
//#endif
  return back;
}

fn turn(values: Quads, turning: Turning) -> Quads {
  if (!turning.turns) {
    return values;
  }
  let a = values.a;
  let b = values.b;
//#if interleaved
  let angle = turning.pairs;
  return Quads(
    vec4<f32>(
      a.x * angle[0].x - a.y * angle[0].y, a.y * angle[0].x + a.x * angle[0].y,
      a.z * angle[1].x - a.w * angle[1].y, a.w * angle[1].x + a.z * angle[1].y,
    ),
    vec4<f32>(
      b.x * angle[2].x - b.y * angle[2].y, b.y * angle[2].x + b.x * angle[2].y,
      b.z * angle[3].x - b.w * angle[3].y, b.w * angle[3].x + b.z * angle[3].y,
    ),
  );
//#else
  return Quads(a * turning.cos - b * turning.sin, b * turning.cos + a * turning.sin);
//#endif
}
