// Coefficients of a head in the basis of its keys (MatryoshkaKV), by a workgroup that has OWN_QUADS of the head's quads: VECTOR_LANES neighbours
// take a vector of the basis, which they bring before there is anything to multiply. Which quad of the head the nth one is says `column_of`, of
// the module; `first` is what it counts from.
//#import lib/basis

const HEAD_DIM: u32 = HEAD_DIM_VEC4S * 4u;

var<workgroup> own_quads: array<vec4<f32>, OWN_QUADS>;

// What an invocation takes of its vector.
alias Share = array<vec2<u32>, LANE_QUADS>;

fn bring_share(kv_head: u32, first: u32, invocation: u32) -> Share {
  let vector = min(invocation / VECTOR_LANES, HEAD_DIM - 1u);
  let of_vector = basis_of(kv_head) + vector * HEAD_DIM_VEC4S;
  var share: Share;
//#repeat I LANE_QUADS
  share[I] = basis[of_vector + column_of(first, I * VECTOR_LANES + invocation % VECTOR_LANES)];
//#endrepeat
  return share;
}

// What the workgroup's quads add to the coefficient of an invocation's vector: for all invocations to call.
fn coefficient_of(share: Share, invocation: u32) -> f32 {
  var sum = 0.0;
//#repeat I LANE_QUADS
  sum += dot(own_quads[I * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[I]));
//#endrepeat
  for (var step = VECTOR_LANES / 2u; step > 0u; step /= 2u) {
    sum += subgroupShuffleXor(sum, step);
  }
  return sum;
}

//#if !parts
var<workgroup> narrow: array<f32, HEAD_DIM>;

// Of the whole head: as many as `width`, then zeros. Ends with a barrier.
fn make_narrow(share: Share, width: u32, invocation: u32) {
  let sum = coefficient_of(share, invocation);
  let vector = invocation / VECTOR_LANES;
  if (invocation % VECTOR_LANES == 0u && vector < HEAD_DIM) {
    narrow[vector] = select(0.0, sum, vector < width);
  }
  workgroupBarrier();
}

fn narrow_quad(quad: u32) -> vec4<f32> {
  let at = quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}
//#endif
