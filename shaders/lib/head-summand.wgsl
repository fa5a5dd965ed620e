// What a head adds to the output projection (out = Σ_h head_h · W_O,h): its columns of the matrix times its output. The kernel behind adds
// the heads' summands up where it reads them, so that no dispatch is needed for the projection. Weights are on their way while the head
// attends. An invocation takes every WORKGROUP-th row.
//#import lib/dot-group
//#import quant/{quant}

const HEAD_GROUPS: u32 = HEAD_COMPONENTS / 32u;
alias Columns = array<RawGroup, SUMMAND_ROWS * HEAD_GROUPS>;

var<workgroup> head_output: array<vec4<f32>, HEAD_COMPONENTS / 4u>;

fn bring_columns(head: u32, invocation: u32) -> Columns {
  var columns: Columns;
//#repeat I SUMMAND_ROWS
  let row_I = min(I * WORKGROUP + invocation, params.output_rows - 1u);
  for (var g = 0u; g < HEAD_GROUPS; g++) {
    columns[I * HEAD_GROUPS + g] =
      load_raw(row_I * params.output_row_vec4s, head * HEAD_GROUPS + g, params.heads * HEAD_COMPONENTS);
  }
//#endrepeat
  return columns;
}

fn output_group(group: u32) -> Group {
  let at = group * 8u;
  return Group(
    head_output[at], head_output[at + 1u], head_output[at + 2u], head_output[at + 3u],
    head_output[at + 4u], head_output[at + 5u], head_output[at + 6u], head_output[at + 7u],
  );
}

fn write_summand(head: u32, row: u32, value: f32) {
  if (row < params.output_rows) {
    summands[head * params.output_rows + row] = value;
  }
}

// Once all of `head_output` is there.
fn leave_summand(head: u32, columns: Columns, invocation: u32) {
  var own = columns;
//#repeat I SUMMAND_ROWS
  var sum_I = 0.0;
//#endrepeat
  for (var g = 0u; g < HEAD_GROUPS; g++) {
    let group = output_group(g);
//#repeat I SUMMAND_ROWS
    sum_I += dot_raw(own[I * HEAD_GROUPS + g], group);
//#endrepeat
  }
//#repeat I SUMMAND_ROWS
  write_summand(head, I * WORKGROUP + invocation, sum_I);
//#endrepeat
}

// Of a head that is off.
fn leave_no_summand(head: u32, invocation: u32) {
//#repeat I SUMMAND_ROWS
  write_summand(head, I * WORKGROUP + invocation, 0.0);
//#endrepeat
}
