// What variants of attention that take tiles of ROWS tokens share.

// Scores of four keys that the token at `position` does not see become very small.
fn mask(score: vec4<f32>, first_key: u32, position: u32) -> vec4<f32> {
  let keys = vec4<u32>(first_key, first_key + 1u, first_key + 2u, first_key + 3u);
  let seen = (keys <= vec4<u32>(position)) & (keys >= vec4<u32>(first_position(position)));
  return select(vec4<f32>(-1.0e30), score, seen);
}

struct Tile {
  head: u32,
  first_row: u32,
}

// The tile of a workgroup, `tiles` a head. Late tokens see most keys: they start first.
// by_head: tiles of tokens that have their head on start before all others, which leave zeros alone: a GPU spreads workgroups over its units
// when they start, and where some end at once those that compute may share a unit while others have none. Of either kind each head's longest
// start before each head's second ones, and so on, so that long tiles share a unit with short ones: an invocation looks among the nth of all heads.
fn tile_of(workgroup: vec3<u32>, tiles: u32, invocation: u32) -> Tile {
//#if by_head
  for (var nth = invocation; nth < tiles; nth += WORKGROUP) {
    look_for_tile(workgroup.z * params.heads + workgroup.x, nth, tiles);
  }
  return kept_tile();
//#else
  return Tile(workgroup.x, (tiles - 1u - workgroup.z) * ROWS);
//#endif
}

//#if by_head
// Tiles with tokens that have the head on.
fn tiles_on(head: u32) -> u32 {
  return (rows_of(head) + ROWS - 1u) / ROWS;
}

// Keeps the tile that starts behind `before` others, if it is the nth of a head. `left` and `left_off` are what remains of these behind tiles
// that are earlier for sure; below zero they come to none any more.
fn look_for_tile(before: u32, nth: u32, tiles: u32) {
  var left = before;
  var left_off = before;
  for (var head = 0u; head < params.heads; head++) {
    let on = tiles_on(head);
    left -= min(on, nth);
    left_off -= on + min(tiles - on, nth);
  }
  for (var head = 0u; head < params.heads; head++) {
    let on = tiles_on(head);
    if (nth < on) {
      if (left == 0u) {
        keep_tile(Tile(head, (on - 1u - nth) * ROWS));
      }
      left--;
    }
    if (nth < tiles - on) {
      if (left_off == 0u) {
        keep_tile(Tile(head, (on + nth) * ROWS));
      }
      left_off--;
    }
  }
}

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
