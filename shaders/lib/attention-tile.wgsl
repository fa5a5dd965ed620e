// What variants of attention that take tiles of ROWS tokens share.

// Scores of four keys that the token at `position` does not see become very small.
fn mask(score: vec4<f32>, first_key: u32, position: u32) -> vec4<f32> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let seen = (keys <= vec4<u32>(position)) & (keys >= vec4<u32>(first_position(position)));
  return select(vec4<f32>(-1.0e30), score, seen);
}

//#if by_head
// What tokens that have the head off get.
fn leave_zeros(head: u32, first_row: u32, invocation: u32) {
  for (var i = invocation; i < ROWS * HEAD_VEC4S; i += WORKGROUP) {
    let place = first_row + i / HEAD_VEC4S;
    if (place < state.rows) {
      out[(row_of(head, place) * params.heads + head) * HEAD_VEC4S + i % HEAD_VEC4S] = pack_output(vec4<f32>());
    }
  }
}
//#endif
