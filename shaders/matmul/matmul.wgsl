// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes a square of tokens × rows, EACH × EACH an invocation; both tiles of a group of 32 columns lie in
//         workgroup memory, the next ones are on their way.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
//#import lib/state
//#if matrix
//#import lib/matrix-tiles
//#else
//#import lib/stored-{x}
//#import lib/dot-group
//#import quant/{quant}

alias X = Stored;
alias Y = f32;

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
//#if bias
  value += bias[row];
//#endif
//#if residual
  value += y[at];
//#endif
  y[at] = value;
}

//#if tiled
// Edge of the square of invocations.
const SIDE: u32 = 16u;
const INVOCATIONS: u32 = SIDE * SIDE;
const TILE: u32 = SIDE * EACH;
const GROUP_VEC4S: u32 = 8u;

var<workgroup> x_tile: array<vec4<f32>, TILE * GROUP_VEC4S>;
var<workgroup> weight_tile: array<vec4<f32>, TILE * GROUP_VEC4S>;

// Where a vector of a row lies. Rows of a tile are as long as all banks: neighbouring ones have their vectors in another order.
fn place_of(row: u32, vector: u32) -> u32 {
  return row * GROUP_VEC4S + (vector ^ (row % GROUP_VEC4S));
}

fn load_x(first_token: u32, group: u32, at: u32) -> X {
  let token = min(first_token + at / GROUP_VEC4S, state.rows - 1u);
  return x[(token * params.groups + group) * GROUP_VEC4S + at % GROUP_VEC4S];
}

fn store_x(at: u32, stored: X) {
  x_tile[place_of(at / GROUP_VEC4S, at % GROUP_VEC4S)] = unpack_stored(stored);
}

fn load_weights(first_row: u32, group: u32, invocation: u32) -> RawGroup {
  let row = min(first_row + invocation % TILE, params.rows - 1u);
  return load_raw(row * params.row_vec4s, group, params.groups * 32u);
}

// The first TILE invocations decode a whole group of a row each.
fn store_weights(invocation: u32, raw: RawGroup) {
  if (invocation >= TILE) {
    return;
  }
  let group = decode(raw);
  weight_tile[place_of(invocation, 0u)] = group[0];
  weight_tile[place_of(invocation, 1u)] = group[1];
  weight_tile[place_of(invocation, 2u)] = group[2];
  weight_tile[place_of(invocation, 3u)] = group[3];
  weight_tile[place_of(invocation, 4u)] = group[4];
  weight_tile[place_of(invocation, 5u)] = group[5];
  weight_tile[place_of(invocation, 6u)] = group[6];
  weight_tile[place_of(invocation, 7u)] = group[7];
}

fn add_products(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
  return fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, sum))));
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let first_row = workgroup.x * TILE;
  let first_token = workgroup.z * TILE;
  // Sums are variables, written out: in arrays they would leave the registers.
//#repeat T EACH
//#repeat R EACH
  var sum_T_R = 0.0;
//#endrepeat
//#endrepeat
//#repeat I X_LOADS
  var stored_I = load_x(first_token, 0u, I * INVOCATIONS + invocation);
//#endrepeat
  var raw = load_weights(first_row, 0u, invocation);
  for (var group = 0u; group < params.groups; group++) {
    workgroupBarrier();
//#repeat I X_LOADS
    store_x(I * INVOCATIONS + invocation, stored_I);
//#endrepeat
    store_weights(invocation, raw);
    workgroupBarrier();
    // On their way while these are multiplied; the last turn loads its own again, and drops them.
    let next = min(group + 1u, params.groups - 1u);
//#repeat I X_LOADS
    stored_I = load_x(first_token, next, I * INVOCATIONS + invocation);
//#endrepeat
    raw = load_weights(first_row, next, invocation);
    for (var vector = 0u; vector < GROUP_VEC4S; vector++) {
//#repeat R EACH
      let row_R = weight_tile[place_of(R * SIDE + local.x, vector)];
//#endrepeat
//#repeat T EACH
      {
        let token = x_tile[place_of(T * SIDE + local.y, vector)];
//#repeat R EACH
        sum_T_R = add_products(token, row_R, sum_T_R);
//#endrepeat
      }
//#endrepeat
    }
  }
//#repeat T EACH
//#repeat R EACH
  write_output(first_token + T * SIDE + local.y, first_row + R * SIDE + local.x, sum_T_R);
//#endrepeat
//#endrepeat
}
//#else
fn load_x(token: u32, group: u32) -> Group {
  let at = (min(token, state.rows - 1u) * params.groups + group) * 8u;
  return Group(
    unpack_stored(x[at]), unpack_stored(x[at + 1u]), unpack_stored(x[at + 2u]), unpack_stored(x[at + 3u]),
    unpack_stored(x[at + 4u]), unpack_stored(x[at + 5u]), unpack_stored(x[at + 6u]), unpack_stored(x[at + 7u]),
  );
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  let first_token = id.z * TOKENS;
  var sums: array<f32, TOKENS>;
  for (var group = 0u; group < params.groups; group++) {
    let weights_group = decode(load_raw(row * params.row_vec4s, group, params.groups * 32u));
    for (var t = 0u; t < TOKENS; t++) {
      sums[t] += dot_group(weights_group, load_x(first_token + t, group));
    }
  }
  for (var t = 0u; t < TOKENS; t++) {
    write_output(first_token + t, row, sums[t]);
  }
}
//#endif
//#endif
