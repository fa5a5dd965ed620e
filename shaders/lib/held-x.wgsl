// x stays in the registers of its lanes, and rows pass by: a workgroup takes BLOCKS · ROWS rows of each of its sets, of STREAMS rows of the matrix a
// block: where they are gated, twice as many.
const WORKGROUP_ROWS: u32 = SETS * BLOCKS * ROWS;
const WORKGROUP_STREAMS: u32 = WORKGROUP_ROWS * STREAMS / ROWS;
const LACKS_ROWS: bool = params.rows % WORKGROUP_ROWS != 0u;

// Of stream `r` of a block, among those of the workgroup.
fn stream_place(block: u32, row_set: u32, r: u32) -> u32 {
  return r / ROWS * WORKGROUP_ROWS + (block * SETS + row_set) * ROWS + r % ROWS;
}

// Of the matrix.
fn stream_row(workgroup: u32, block: u32, row_set: u32, r: u32) -> u32 {
  let row = workgroup * WORKGROUP_ROWS + stream_place(block, row_set, r % ROWS);
  return select(row, min(row, params.rows - 1u), LACKS_ROWS) + r / ROWS * params.rows;
}

// Beyond the last one, nothing.
fn held_run(run: u32) -> FixedRun {
  var held = fixed_run(run_in_range(run));
  if (IS_RAGGED && run >= RUNS) {
    held[0].scale = 0.0;
  }
  return held;
}

var<workgroup> stream_sums: array<f32, SPLITS * WORKGROUP_STREAMS>;

// Sums of four streams over the lanes: half of the lanes go on with two of them, a quarter with one.
fn leave_streams(sums: vec4<f32>, place: Lane, block: u32) {
  let is_late = (place.lane & (LANES / 2u)) != 0u;
  let is_odd = (place.lane & (LANES / 4u)) != 0u;
  let two = select(sums.xy, sums.zw, is_late) + subgroupShuffleXor(select(sums.zw, sums.xy, is_late), LANES / 2u);
  var one = select(two.x, two.y, is_odd) + subgroupShuffleXor(select(two.y, two.x, is_odd), LANES / 4u);
  for (var step = LANES / 8u; step > 0u; step /= 2u) {
    one += subgroupShuffleXor(one, step);
  }
  if (place.lane % (LANES / 4u) == 0u) {
    let stream = select(0u, 2u, is_late) + select(0u, 1u, is_odd);
    stream_sums[place.split * WORKGROUP_STREAMS + stream_place(block, place.row_set, stream)] = one;
  }
}

// Over all splits.
fn stream_total(i: u32) -> f32 {
  var total = stream_sums[i];
  for (var s = 1u; s < SPLITS; s++) {
    total += stream_sums[s * WORKGROUP_STREAMS + i];
  }
  return total;
}
