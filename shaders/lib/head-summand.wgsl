// What a head adds to the output projection (out = Σ_h head_h · W_O,h): its columns of the matrix times its output. The kernel behind adds
// the heads' summands up where it reads them, so that no dispatch is needed for the projection. Several workgroups make the same head and
// share its rows: multiplying by them all would take one multiprocessor longer than attending. An invocation takes one group of 32 columns of
// a row, on its way while the head attends; the groups of a row are neighbours.
// shares: SHARES summands of a head are of a part of the keys each, unnormalized; behind all of them stand (maximum, sum) of each.
//#import lib/dot-group
//#import quant/{quant}

const HEAD_GROUPS: u32 = HEAD_COMPONENTS / 32u;

var<workgroup> head_output: array<vec4<f32>, HEAD_COMPONENTS / 4u>;

fn row_of_summand(part: u32, invocation: u32) -> u32 {
  return (part * WORKGROUP + invocation) / HEAD_GROUPS;
}

fn bring_columns(head: u32, part: u32, invocation: u32) -> RawGroup {
  let row = min(row_of_summand(part, invocation), params.output_rows - 1u);
  let group = head * HEAD_GROUPS + invocation % HEAD_GROUPS;
  return load_raw(row * params.output_row_vec4s, group, params.heads * HEAD_COMPONENTS);
}

fn write_summand(summand: u32, part: u32, invocation: u32, value: f32) {
  let row = row_of_summand(part, invocation);
  if (invocation % HEAD_GROUPS == 0u && row < params.output_rows) {
    summands[summand * params.output_rows + row] = value;
  }
}

//#if shares
fn leave_scale(summand: u32, part: u32, invocation: u32, scale: vec2<f32>) {
  if (part == 0u && invocation == 0u) {
    let at = params.heads * SHARES * params.output_rows + summand * 2u;
    summands[at] = scale.x;
    summands[at + 1u] = scale.y;
  }
}
//#endif

// Once all of `head_output` is there.
fn leave_summand(summand: u32, part: u32, columns: RawGroup, invocation: u32) {
  let at = invocation % HEAD_GROUPS * 8u;
  let output = Group(
    head_output[at], head_output[at + 1u], head_output[at + 2u], head_output[at + 3u],
    head_output[at + 4u], head_output[at + 5u], head_output[at + 6u], head_output[at + 7u],
  );
  var sum = dot_raw(columns, output);
  for (var step = HEAD_GROUPS / 2u; step > 0u; step /= 2u) {
    sum += subgroupShuffleXor(sum, step);
  }
  write_summand(summand, part, invocation, sum);
}
