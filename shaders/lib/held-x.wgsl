// x stays in the registers of its lanes, and rows pass by: a workgroup takes BLOCKS · ROWS rows of each of its sets.
const SET_ROWS: u32 = BLOCKS * ROWS;
const WORKGROUP_ROWS: u32 = SETS * SET_ROWS;

fn row_place(block: u32, row_set: u32, r: u32) -> u32 {
  return (block * SETS + row_set) * ROWS + r;
}

fn held_row(workgroup: u32, block: u32, row_set: u32, r: u32) -> u32 {
  return min(workgroup * WORKGROUP_ROWS + row_place(block, row_set, r), params.rows - 1u);
}

fn held_group(group: u32) -> FixedGroup {
  var held = fixed_group(min(group, params.groups - 1u));
  if (IS_RAGGED && group >= params.groups) {
    held.scale = 0.0;
  }
  return held;
}

var<workgroup> row_sums: array<f32, SPLITS * WORKGROUP_ROWS>;

//#if streams4
alias Streams = vec4<f32>;

fn leave_sums(sums: vec4<f32>, place: Lane, block: u32) {
  let upper = (place.lane & (LANES / 2u)) != 0u;
  let two = select(sums.xy, sums.zw, upper) + subgroupShuffleXor(select(sums.zw, sums.xy, upper), LANES / 2u);
  let odd = (place.lane & (LANES / 4u)) != 0u;
  var one = select(two.x, two.y, odd) + subgroupShuffleXor(select(two.y, two.x, odd), LANES / 4u);
  for (var step = LANES / 8u; step > 0u; step /= 2u) {
    one += subgroupShuffleXor(one, step);
  }
  if (place.lane % (LANES / 4u) == 0u) {
    let r = select(0u, 2u, upper) + select(0u, 1u, odd);
    row_sums[place.split * WORKGROUP_ROWS + row_place(block, place.row_set, r)] = one;
  }
}
//#endif
//#if streams2
alias Streams = vec2<f32>;

fn leave_sums(sums: vec2<f32>, place: Lane, block: u32) {
  let upper = (place.lane & (LANES / 2u)) != 0u;
  var one = select(sums.x, sums.y, upper) + subgroupShuffleXor(select(sums.y, sums.x, upper), LANES / 2u);
  for (var step = LANES / 4u; step > 0u; step /= 2u) {
    one += subgroupShuffleXor(one, step);
  }
  if (place.lane % (LANES / 2u) == 0u) {
    row_sums[place.split * WORKGROUP_ROWS + row_place(block, place.row_set, select(0u, 1u, upper))] = one;
  }
}
//#endif

fn held_total(i: u32) -> f32 {
  var total = row_sums[i];
  for (var s = 1u; s < SPLITS; s++) {
    total += row_sums[s * WORKGROUP_ROWS + i];
  }
  return total;
}
