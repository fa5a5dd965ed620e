// Each sum belongs to one invocation: nothing to add up.
fn reduce_add(values: Sums, lane: u32, subgroup_size: u32) -> Sums {
  return values;
}
