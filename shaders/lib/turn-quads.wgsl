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
//#if interleaved
    let first = quads.x * 2u;
//#else
    let first = u * 4u;
//#endif
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
//#if interleaved
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
  let by = transpose(angle);
  return Quads(a * by[0] - b * by[1], b * by[0] + a * by[1]);
//#endif
}
