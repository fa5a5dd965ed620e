// Levels of two numbers of four bits, by the byte that holds both: as two bytes. The table lies in workgroup memory LEVEL_COPIES times, entry by
// entry, so that neighbouring invocations, each in its own copy, seldom ask the same bank for two words.
var<workgroup> level_pairs: array<u32, 256u * LEVEL_COPIES>;
var<private> level_copy: u32;

const LEVEL_SHIFT: u32 = countTrailingZeros(LEVEL_COPIES);

// To be called by all invocations, before a barrier. Neighbours begin with different copies, in banks of their own.
fn fill_levels(invocation: u32) {
  level_copy = invocation % LEVEL_COPIES;
  for (var both = invocation; both < 256u; both += WORKGROUP) {
    let levels = levels_of(vec4<u32>(both, both >> 4u, 0u, 0u) & vec4<u32>(15u)) & vec4<i32>(255);
    let pair = u32(levels.x | (levels.y << 8u));
    for (var c = 0u; c < LEVEL_COPIES; c++) {
      level_pairs[both * LEVEL_COPIES + (c + both * LEVEL_COPIES / 32u) % LEVEL_COPIES] = pair;
    }
  }
}

// Of the four bytes of a word. Copies are a power of two, so that a shift, a mask and the copy make a place; the last mask changes nothing, but
// no place has to be checked behind it.
fn pairs_of_levels(word: u32) -> vec4<u32> {
  let entries = vec4<u32>(word << LEVEL_SHIFT, word >> (8u - LEVEL_SHIFT), word >> (16u - LEVEL_SHIFT), word >> (24u - LEVEL_SHIFT));
  let at = ((entries & vec4<u32>(255u * LEVEL_COPIES)) | vec4<u32>(level_copy)) & vec4<u32>(256u * LEVEL_COPIES - 1u);
  return vec4<u32>(level_pairs[at.x], level_pairs[at.y], level_pairs[at.z], level_pairs[at.w]);
}
