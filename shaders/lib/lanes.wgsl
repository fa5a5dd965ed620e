// How the invocations of a workgroup share the rows of a matrix: LANES neighbouring ones are a set, which takes ROWS rows; a lane takes
// every (LANES · SPLITS)-th group of 32 columns. Neighbouring sets read the same part of x at the same time.
// splits: the columns are cut over SPLITS runs of sets, whose sums meet in workgroup memory.
const SETS: u32 = WORKGROUP / LANES / SPLITS;

// Groups that all sets of a row take in a turn; turns, of which the last one may find no group for some lanes. Trip counts are constants,
// so that the loads of several turns are under way at once.
const TURN_GROUPS: u32 = LANES * SPLITS;
const TURNS: u32 = (params.groups + TURN_GROUPS - 1u) / TURN_GROUPS;
const IS_RAGGED: bool = params.groups % TURN_GROUPS != 0u;

struct Lane {
  lane: u32,
  // Set within the workgroup, of those with this split.
  row_set: u32,
  split: u32,
}

fn lane_of(invocation: u32) -> Lane {
  return Lane(invocation % LANES, invocation / LANES % SETS, invocation / (LANES * SETS));
}

//#if splits
var<workgroup> split_sums: array<Sums, WORKGROUP / LANES>;

fn leave_split(sums: Sums, place: Lane) {
  if (place.lane == 0u) {
    split_sums[place.split * SETS + place.row_set] = sums;
  }
  workgroupBarrier();
}

// Sum `i` of a set over all splits.
fn split_total(row_set: u32, i: u32) -> f32 {
  var total = split_sums[row_set][i];
  for (var s = 1u; s < SPLITS; s++) {
    total += split_sums[s * SETS + row_set][i];
  }
  return total;
}
//#endif
