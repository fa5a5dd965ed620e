// Queries, keys and values of one token in one dispatch: RMSNorm, the stacked projection [q; k; v], RoPE, and the write into the
// KV cache. The output comes in units of eight rows: two quads of a head whose components RoPE turns with each other, so that
// sums can be turned where they are made, and a quad of the cache is written whole. staged: what goes to the cache is put at its
// first position. A set of LANES invocations makes ROWS rows
// (lib/lanes); splits: a unit's rows meet in workgroup memory; else a set makes a whole unit. fixed: as in matvec.
// ragged: for caches of MatryoshkaKV a workgroup makes a whole head. Of queries and keys it leaves coefficients of the head's basis, of values the
// first components, as kv-project does for a pass.
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
//#import lib/basis
const CACHED_PER_HEAD: u32 = HEAD_DIM_VEC4S;
//#import lib/cached-rows

const HEAD_DIM: u32 = HEAD_DIM_VEC4S * 4u;

var<workgroup> whole: array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> narrow: array<f32, HEAD_DIM>;
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
  let head = linear_workgroup(workgroup, workgroups);
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
  let finishes = place.lane == 0u && place.split == 0u && first_row == 0u && unit < heads * UNITS_PER_HEAD;
  var turning: Turning;
  if (finishes && !is_value) {
    // On its way while the sums are made.
    turning = load_turning(u, quads, position);
  }
//#if ragged
  // So is the basis: LANES neighbours take one of its vectors.
  let kv_head = select((head - params.heads) % params.kv_heads, head / (params.heads / params.kv_heads), head < params.heads);
  let own_vector = invocation / LANES;
  let from_vector = basis_of(kv_head) + min(own_vector, HEAD_DIM - 1u) * HEAD_DIM_VEC4S + place.lane;
//#repeat I LANE_QUADS
  let vector_I = basis[from_vector + I * LANES];
//#endrepeat
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
  var raw_R = load_run(row_R * params.row_vec4s, min(first_run, RUNS - 1u), params.groups * 32u);
//#endrepeat
  stage_x(fetched, workgroup.x, invocation, subgroup_size);
  // While weights are on their way still.
  let squares = staged_squares(subgroup_size);
  for (var turn = 0u; turn < TURNS; turn++) {
    let run = turn * TURN_RUNS + first_run;
//#repeat R ROWS
    let now_R = raw_R;
//#endrepeat
    if (turn + 1u < TURNS) {
      let next = min(run + TURN_RUNS, RUNS - 1u);
//#repeat R ROWS
      raw_R = load_run(row_R * params.row_vec4s, next, params.groups * 32u);
//#endrepeat
    }
    if (IS_RAGGED && run >= RUNS) {
      break;
    }
    let x_run = fixed_run(run);
//#repeat R ROWS
    sum_R += dot_run(now_R, x_run);
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
//#if ragged
  let at_made = (first_of_unit - first_row) % HEAD_DIM;
//#else
  if (!finishes) {
    return;
  }
  let at_made = place.row_set * ROWS;
//#endif
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
  if (finishes) {
    values = turn(values, turning);
    whole[quads.x] = values.a;
    whole[quads.y] = values.b;
  }
  workgroupBarrier();
  let rows = cached_rows(kv_head);
  if (is_value) {
    if (invocation < value_width(rows)) {
      v_cache[value_at(rows, position, invocation)] = pack_stored(whole[invocation]);
    }
    return;
  }
  var coefficient = 0.0;
//#repeat I LANE_QUADS
  coefficient += dot(whole[I * LANES + place.lane], basis_components(vector_I));
//#endrepeat
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    coefficient += subgroupShuffleXor(coefficient, step);
  }
  if (place.lane == 0u && own_vector < HEAD_DIM) {
    // Queries are read whole: zeros where keys have nothing.
    narrow[own_vector] = select(0.0, coefficient, own_vector < head_widths[kv_head].key);
  }
  workgroupBarrier();
  if (invocation < HEAD_DIM_VEC4S) {
    let at = invocation * 4u;
    let quad = vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
    if (head < params.heads) {
      queries[head * HEAD_DIM_VEC4S + invocation] = quad;
    } else if (invocation < key_width(rows)) {
      k_cache[key_at(rows, position, invocation)] = pack_stored(quad);
    }
  }
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
