// Fourth step of TokenSelect: the SELECTED candidates with the most votes, in the order of the text; of equal ones the first. Votes are not
// negative, so their bits are ordered as they are: a radix select finds the last vote that is in, 8 bits a turn. A workgroup takes
// a layer.
//#import lib/state
//#import lib/selection
//#import lib/workgroup-scan

// Several counters of a digit, since most votes share their upper bits.
var<workgroup> counters: array<atomic<u32>, 256u * COPIES>;
var<workgroup> digit_counts: array<u32, 256>;
// The upper bits of the last vote that is in, and how many with those bits are.
var<workgroup> chosen: vec2<u32>;

fn bits_of(layer: u32, token: u32) -> u32 {
  return bitcast<u32>(votes[layer * VOTE_STRIDE + token]);
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
  for (var turn = 0u; turn < 4u; turn++) {
    let shift = 24u - 8u * turn;
    // Of bits above the digit; none in the first turn.
    let known = select(0xffffffffu << (shift + 8u), 0u, turn == 0u);
    for (var i = invocation; i < 256u * COPIES; i += WORKGROUP) {
      atomicStore(&counters[i], 0u);
    }
    workgroupBarrier();
    let prefix = chosen.x;
    for (var token = INITIAL + invocation; token < end; token += WORKGROUP) {
      let bits = bits_of(layer, token);
      if ((bits & known) == prefix) {
        let digit = (bits >> shift) & 255u;
        atomicAdd(&counters[digit * COPIES + invocation % COPIES], 1u);
      }
    }
    workgroupBarrier();
    for (var digit = invocation; digit < 256u; digit += WORKGROUP) {
      var count = 0u;
      for (var copy = 0u; copy < COPIES; copy++) {
        count += atomicLoad(&counters[digit * COPIES + copy]);
      }
      digit_counts[digit] = count;
    }
    workgroupBarrier();
    if (invocation == 0u) {
      var wanted = chosen.y;
      var digit = 255u;
      while (digit > 0u && digit_counts[digit] < wanted) {
        wanted -= digit_counts[digit];
        digit -= 1u;
      }
      chosen = vec2<u32>(prefix | (digit << shift), wanted);
    }
    workgroupBarrier();
  }

  // An invocation takes a run of neighbouring candidates, so that the order of the text stays.
  let last = chosen.x;
  let run = (end - INITIAL + WORKGROUP - 1u) / WORKGROUP;
  let first_token = min(INITIAL + invocation * run, end);
  let run_end = min(first_token + run, end);
  var above = 0u;
  var equal = 0u;
  for (var token = first_token; token < run_end; token++) {
    let bits = bits_of(layer, token);
    above += u32(bits > last);
    equal += u32(bits == last);
  }
  let equal_before = inclusive_sum(equal, invocation) - equal;
  var room = chosen.y - min(chosen.y, equal_before);
  let own = above + min(equal, room);
  var slot = inclusive_sum(own, invocation) - own;
  for (var token = first_token; token < run_end; token++) {
    let bits = bits_of(layer, token);
    if (bits > last || (bits == last && room > 0u)) {
      room -= u32(bits == last);
      selections[layer].tokens[slot] = token;
      slot += 1u;
    }
  }
}
