// Queries, keys and values of one token in one dispatch: RMSNorm, the stacked projection [q; k; v], RoPE, and the write into the
// KV cache. The output comes in units of eight rows: two quads of a head whose components RoPE turns with each other, so that
// sums can be turned where they are made, and a quad of the cache is written whole. staged: what goes to the cache is put at its
// first position. A set of LANES invocations makes ROWS rows
// (lib/lanes); splits: a unit's rows meet in workgroup memory; else a set makes a whole unit. fixed: as in matvec.
// ragged: for caches of MatryoshkaKV. A workgroup makes a whole head: of queries and keys it leaves coefficients of the head's basis, of values the
// first components, as kv-project does for a pass. parts: it makes a part of a head, and leaves what that adds to the coefficients of queries
// and keys, for attention-split to add up.
//#if !ragged
//#import lib/state
//#endif
//#import lib/grid
//#import lib/x-group
//#import lib/norm-group
//#import lib/turn-quads
//#import lib/stored-{kv}
//#import quant/{quant}

alias Sums = array<f32, SUMS>;
//#import lib/reduce-{reduce}
//#import lib/lanes
//#if ragged
//#import lib/coefficients
//#import lib/head-widths

const OWN_UNITS: u32 = OWN_QUADS / 2u;

// The first quads of the workgroup's units, then the second ones: neighbours in a vector of the basis.
fn column_of(first_unit: u32, nth: u32) -> u32 {
  let quads = quads_of(first_unit + nth % OWN_UNITS);
  return select(quads.x, quads.y, nth >= OWN_UNITS);
}
//#endif

//#if splits
// Of the rows of the workgroup's units, then the sum of squares.
var<workgroup> made: array<f32, SETS * ROWS + 1u>;
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
//#if subgroups
  @builtin(subgroup_size) subgroup_size: u32,
//#endif
) {
//#if !subgroups
  let subgroup_size = 1u;
//#endif
  let place = lane_of(invocation);
  let heads = params.heads + 2u * params.kv_heads;
  let first_set = linear_workgroup(workgroup, workgroups) * SETS;
  let first_of_unit = (first_set + place.row_set) * ROWS;
  let unit = first_of_unit / UNIT_ROWS;
  let first_row = first_of_unit % UNIT_ROWS;
//#if ragged
  // All rows of a workgroup are of one head.
  let head = first_set * ROWS / HEAD_DIM;
//#else
  // Units past the end repeat the last one, and write nothing.
  let head = min(unit / UNITS_PER_HEAD, heads - 1u);
//#endif
  let u = unit % UNITS_PER_HEAD;
  let is_value = head >= params.heads + params.kv_heads;
  let quads = select(quads_of(u), vec2<u32>(2u * u, 2u * u + 1u), is_value);
  let first_rows = vec2<u32>(head * HEAD_DIM_VEC4S) * 4u + quads * 4u;
//#if ragged
  let position = state.x;
//#else
  let position = state.position;
//#endif
//#if staged
  let slot = 0u;
//#else
  let slot = position;
//#endif
  // By the last split, whose invocations have the least to do with x.
  let finishes = place.lane == 0u && place.split == SPLITS - 1u && first_row == 0u && unit < heads * UNITS_PER_HEAD;
  var turning: Turning;
//#if !fixed
  if (finishes && !is_value) {
    // On its way while the sums are made.
    turning = load_turning(u, quads, position);
  }
//#endif
//#if ragged
  // So is the basis, and where coefficients go.
  let kv_head = select((head - params.heads) % params.kv_heads, head / (params.heads / params.kv_heads), head < params.heads);
  let own_first_unit = first_set * ROWS / UNIT_ROWS % UNITS_PER_HEAD;
  let share = bring_share(kv_head, own_first_unit, invocation);
  let widths = head_widths[kv_head];
//#endif

  // As in matvec: sums are variables, and the weights of all rows are on their way before the first one is decoded.
//#repeat R ROWS
  let of_unit_R = first_row + R;
  let row_R = select(first_rows.x + of_unit_R, first_rows.y + of_unit_R - 4u, of_unit_R >= 4u);
  var sum_R = 0.0;
//#endrepeat
//#if fixed
  let fetched = fetch_x(0u, invocation);
  let first_run = place.split * LANES + place.lane;
//#repeat R ROWS
  var raw_R: RawRun;
//#endrepeat
//#if now
  if (unit < heads * UNITS_PER_HEAD)
//#endif
  {
//#repeat R ROWS
    raw_R = load_run(row_R * params.row_vec4s, run_in_range(first_run), params.groups * 32u);
//#endrepeat
  }
  if (finishes && !is_value) {
    // Behind x, since it waits for the position.
    turning = load_turning(u, quads, position);
  }
  stage_x(fetched, workgroup.x, invocation, subgroup_size);
  // While weights are on their way still.
  let squares = staged_squares();
  for (var first_turn = 0u; first_turn < TURNS; first_turn += CHUNK) {
//#repeat C CHUNK
    {
      let turn = first_turn + C;
      let run = turn * TURN_RUNS + first_run;
//#repeat R ROWS
      let now_R = raw_R;
//#endrepeat
      if (turn + 1u < TURNS) {
        let next = run_in_range(run + TURN_RUNS);
//#repeat R ROWS
        raw_R = load_run(row_R * params.row_vec4s, next, params.groups * 32u);
//#endrepeat
      }
      if (!IS_RAGGED || run < RUNS) {
        let x_run = fixed_run(run);
//#repeat R ROWS
        sum_R += dot_run(now_R, x_run);
//#endrepeat
      }
    }
//#endrepeat
  }
//#else
  var square_sum = 0.0;
  for (var turn = 0u; turn < TURNS; turn++) {
    let group = turn * TURN_RUNS + place.split * LANES + place.lane;
    if (IS_RAGGED && group >= params.groups) {
      break;
    }
//#repeat R ROWS
    let raw_R = load_raw(row_R * params.row_vec4s, group, params.groups * 32u);
//#endrepeat
    var x_group = load_x(group * 8u);
    square_sum += dot_group(x_group, x_group);
    x_group = multiply_by_norm(x_group, group * 8u);
//#repeat R ROWS
    sum_R += dot_raw(raw_R, x_group);
//#endrepeat
  }
//#endif
  var sums: Sums;
//#repeat R ROWS
  sums[R] = sum_R;
//#endrepeat
//#if !fixed
  sums[ROWS] = square_sum;
//#endif
  sums = reduce_add(sums, place.lane, subgroup_size);
//#if splits
  leave_split(sums, place);
  if (invocation < SETS * ROWS) {
    made[invocation] = split_total(invocation / ROWS, invocation % ROWS);
  }
//#if !fixed
  if (invocation == SETS * ROWS) {
    made[invocation] = split_total(0u, ROWS);
  }
//#endif
  workgroupBarrier();
//#endif
//#if !ragged
  if (!finishes) {
    return;
  }
//#endif
  let at_made = place.row_set * ROWS - first_row;
//#if splits
//#if !fixed
  let squares = made[SETS * ROWS];
//#endif
  var values = Quads(
    vec4<f32>(made[at_made], made[at_made + 1u], made[at_made + 2u], made[at_made + 3u]),
    vec4<f32>(made[at_made + 4u], made[at_made + 5u], made[at_made + 6u], made[at_made + 7u]),
  );
//#else
//#if !fixed
  let squares = sums[ROWS];
//#endif
  var values = Quads(vec4<f32>(sums[0], sums[1], sums[2], sums[3]), vec4<f32>(sums[4], sums[5], sums[6], sums[7]));
//#endif
  let rms = inverseSqrt(squares / f32(params.columns) + params.epsilon);
  values.a *= rms;
  values.b *= rms;
//#if bias
  values.a += bias[first_rows.x / 4u];
  values.b += bias[first_rows.y / 4u];
//#endif
//#if ragged
  if (finishes && is_value) {
    let width = widths.value / 4u;
    let at = widths.first_value / 4u * params.context_length + position * width;
    if (quads.x < width) {
      v_cache[at + quads.x] = pack_stored(values.a);
    }
    if (quads.y < width) {
      v_cache[at + quads.y] = pack_stored(values.b);
    }
  }
  if (is_value) {
    return;
  }
  if (finishes) {
    values = turn(values, turning);
    own_quads[at_made / UNIT_ROWS] = values.a;
    own_quads[OWN_UNITS + at_made / UNIT_ROWS] = values.b;
  }
  workgroupBarrier();
//#if parts
  let coefficient = coefficient_of(share, invocation);
  let vector = invocation / VECTOR_LANES;
  if (invocation % VECTOR_LANES == 0u && vector < HEAD_DIM) {
    let part = own_first_unit / OWN_UNITS;
    queries[(part * (params.heads + params.kv_heads) + head) * HEAD_DIM + vector] = coefficient;
  }
//#else
  make_narrow(share, widths.key, invocation);
  if (invocation < HEAD_DIM_VEC4S) {
    let quad = narrow_quad(invocation);
    if (head < params.heads) {
      // Read whole: zeros where keys have nothing.
      queries[head * HEAD_DIM_VEC4S + invocation] = quad;
    } else if (invocation < widths.key / 4u) {
      let width = widths.key / 4u;
      k_cache[widths.first_key / 4u * params.context_length + position * width + invocation] = pack_stored(quad);
    }
  }
//#endif
//#else
  if (is_value) {
    let at = ((head - params.heads - params.kv_heads) * params.context_length + slot) * HEAD_DIM_VEC4S;
    v_cache[at + quads.x] = pack_stored(values.a);
    v_cache[at + quads.y] = pack_stored(values.b);
    return;
  }
  values = turn(values, turning);
  if (head >= params.heads) {
    let at = ((head - params.heads) * params.context_length + slot) * HEAD_DIM_VEC4S;
    k_cache[at + quads.x] = pack_stored(values.a);
    k_cache[at + quads.y] = pack_stored(values.b);
  } else {
    queries[head * HEAD_DIM_VEC4S + quads.x] = values.a;
    queries[head * HEAD_DIM_VEC4S + quads.y] = values.b;
  }
//#endif
}
