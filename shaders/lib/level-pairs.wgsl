// Levels of two numbers of four bits, by the byte that holds both: as two bytes. The table lies in workgroup memory LEVEL_COPIES times, entry by
// entry, so that neighbouring invocations, each in its own copy, seldom ask the same bank for two words. Of x that is held in registers (lib/held-x)
// it takes the place.
const LEVEL_VECTORS: u32 = 64u * LEVEL_COPIES;
const LEVEL_SHIFT: u32 = countTrailingZeros(LEVEL_COPIES);

var<private> level_copy: u32;

//#if !held
var<workgroup> level_pairs: array<vec4<u32>, LEVEL_VECTORS>;
//#endif

// To be called by all invocations, before a barrier.
fn fill_levels(invocation: u32) {
  level_copy = invocation % LEVEL_COPIES;
  for (var i = invocation; i < LEVEL_VECTORS; i += WORKGROUP) {
    let both = i * 4u / LEVEL_COPIES;
    let levels = levels_of(vec4<u32>(both, both >> 4u, 0u, 0u) & vec4<u32>(15u)) & vec4<i32>(255);
    let pairs = vec4<u32>(u32(levels.x | (levels.y << 8u)));
//#if held
    fixed_x[i] = pairs;
//#else
    level_pairs[i] = pairs;
//#endif
  }
}

fn pair_of_levels(at: u32) -> u32 {
//#if held
  return fixed_x[at >> 2u][at & 3u];
//#else
  return level_pairs[at >> 2u][at & 3u];
//#endif
}

// Of the four bytes of a word. Copies are a power of two, so that a shift, a mask and the copy make a place; the last mask changes nothing, but
// no place has to be checked behind it.
fn pairs_of_levels(word: u32) -> vec4<u32> {
  let entries = vec4<u32>(word << LEVEL_SHIFT, word >> (8u - LEVEL_SHIFT), word >> (16u - LEVEL_SHIFT), word >> (24u - LEVEL_SHIFT));
  let at = ((entries & vec4<u32>(255u * LEVEL_COPIES)) | vec4<u32>(level_copy)) & vec4<u32>(256u * LEVEL_COPIES - 1u);
  return vec4<u32>(pair_of_levels(at.x), pair_of_levels(at.y), pair_of_levels(at.z), pair_of_levels(at.w));
}
