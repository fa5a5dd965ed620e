// Fourth step of TokenSelect: the SELECTED candidates with the most votes, in the order of the text; of equal ones the first. Votes are not
// negative, so their bits are ordered as they are: a radix select finds the last vote that is in, 8 bits a turn. A workgroup takes
// a layer; an invocation has UNROLL loads of four votes under way at once.
//#import lib/state
//#import lib/selection
//#import lib/workgroup-scan

// Several counters of a digit, since most votes share their upper bits.
var<workgroup> counters: array<atomic<u32>, 256u * COPIES>;
// The upper bits of the last vote that is in, and how many with those bits are.
var<workgroup> chosen: vec2<u32>;

const DIGITS_EACH: u32 = max(1u, 256u / WORKGROUP);

fn bits_of(layer: u32, quad: u32) -> vec4<u32> {
  return bitcast<vec4<u32>>(votes[layer * VOTE_STRIDE / 4u + quad]);
}

// Which of four neighbouring tokens are candidates.
fn are_candidates(quad: u32, end: u32) -> vec4<bool> {
  let tokens = 4u * quad + vec4<u32>(0u, 1u, 2u, 3u);
  return (tokens >= vec4<u32>(INITIAL)) & (tokens < vec4<u32>(end));
}

// Digits of 0 are not counted: what is wanted beyond the larger ones has them.
fn count_digits(bits: vec4<u32>, known: u32, prefix: u32, shift: u32, copy: u32) {
  for (var i = 0u; i < 4u; i++) {
    let digit = (bits[i] >> shift) & 255u;
    if (digit > 0u && (bits[i] & known) == prefix) {
      atomicAdd(&counters[digit * COPIES + copy], 1u);
    }
  }
}

// Votes with the digit of a rank: 255 has rank 0.
fn count_of(rank: u32, wanted: u32) -> u32 {
  if (rank >= 255u) {
    return select(0u, wanted, rank == 255u);
  }
  var count = 0u;
  for (var copy = 0u; copy < COPIES; copy++) {
    count += atomicLoad(&counters[(255u - rank) * COPIES + copy]);
  }
  return count;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  if (invocation == 0u) {
    // Nothing is wanted where no selection is due.
    chosen = vec2<u32>(0u, SELECTED * selections[layer].is_due);
  }
  if (workgroupUniformLoad(&chosen).y == 0u) {
    return;
  }
  let end = state.position + state.rows - KEPT;
  let first_quad = INITIAL / 4u;
  let end_quad = (end + 3u) / 4u;
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    // Of bits above the digit; none in the first turn.
    let known = select(0xffffffffu << (shift + 8u), 0u, turn == 0u);
    for (var i = invocation; i < 256u * COPIES; i += WORKGROUP) {
      atomicStore(&counters[i], 0u);
    }
    workgroupBarrier();
    let prefix = chosen.x;
    let wanted = chosen.y;
    for (var block = first_quad + invocation; block < end_quad; block += UNROLL * WORKGROUP) {
//#repeat U UNROLL
      let quad_U = block + U * WORKGROUP;
      let loaded_U = bits_of(layer, min(quad_U, end_quad - 1u));
      let bits_U = select(vec4<u32>(), loaded_U, are_candidates(quad_U, end));
//#endrepeat
//#repeat U UNROLL
      count_digits(bits_U, known, prefix, shift, invocation % COPIES);
//#endrepeat
    }
    workgroupBarrier();
    // From the largest digit on, how many votes have those before an invocation's.
    let first_rank = invocation * DIGITS_EACH;
    var own = 0u;
    for (var i = 0u; i < DIGITS_EACH; i++) {
      own += count_of(first_rank + i, wanted);
    }
    var before = inclusive_sum(own, invocation) - own;
    for (var rank = first_rank; rank < first_rank + DIGITS_EACH; rank++) {
      let count = count_of(rank, wanted);
      if (before < wanted && wanted <= before + count) {
        chosen = vec2<u32>(prefix | ((255u - rank) << shift), wanted - before);
      }
      before += count;
    }
    workgroupBarrier();
  }

  // An invocation takes a run of neighbouring candidates, so that the order of the text stays.
  let last = chosen.x;
  let run = (end_quad - first_quad + WORKGROUP - 1u) / WORKGROUP;
  let run_first = min(first_quad + invocation * run, end_quad);
  let run_end = min(run_first + run, end_quad);
  var above = 0u;
  var equal = 0u;
  for (var quad = run_first; quad < run_end; quad++) {
    let bits = bits_of(layer, quad);
    let candidates = are_candidates(quad, end);
    above += dot(vec4<u32>(candidates & (bits > vec4<u32>(last))), vec4<u32>(1u));
    equal += dot(vec4<u32>(candidates & (bits == vec4<u32>(last))), vec4<u32>(1u));
  }
  let equal_before = inclusive_sum(equal, invocation) - equal;
  var room = chosen.y - min(chosen.y, equal_before);
  let own = above + min(equal, room);
  var slot = inclusive_sum(own, invocation) - own;
  for (var quad = run_first; quad < run_end; quad++) {
    let bits = bits_of(layer, quad);
    let candidates = are_candidates(quad, end);
    for (var i = 0u; i < 4u; i++) {
      if (candidates[i] && (bits[i] > last || (bits[i] == last && room > 0u))) {
        room -= u32(bits[i] == last);
        selections[layer].tokens[slot] = 4u * quad + i;
        slot += 1u;
      }
    }
  }
}
