// The matrix variant of matmul: a workgroup of four subgroups makes TILE_TOKENS × TILE_ROWS outputs. Both tiles of STEP_GROUPS groups
// of 32 columns lie in workgroup memory as halves; while subgroups multiply EDGE × EDGE fragments out of them with sums in single
// precision, the next tiles are already on their way into registers.
//#import quant-half/{half}

const SUBGROUPS: u32 = 4u;
const SUBGROUP_SIZE: u32 = WORKGROUP / SUBGROUPS;
// Subgroups stand in a square.
const SUBGROUP_TOKENS: u32 = TILE_TOKENS / 2u;
const SUBGROUP_ROWS: u32 = TILE_ROWS / 2u;
const TOKEN_FRAGMENTS: u32 = SUBGROUP_TOKENS / EDGE;
const ROW_FRAGMENTS: u32 = SUBGROUP_ROWS / EDGE;
const STEP_COLUMNS: u32 = STEP_GROUPS * 32u;
const STEP_VEC4S: u32 = STEP_GROUPS * 8u;
// Rows of the tiles are 16 bytes longer than they need be: neighbouring ones start in other banks.
const TILE_STRIDE: u32 = STEP_VEC4S + 2u;
const STEPS: u32 = (params.groups + STEP_GROUPS - 1u) / STEP_GROUPS;
// What an invocation brings of a step's tiles.
const X_LOADS: u32 = TILE_TOKENS * STEP_VEC4S / WORKGROUP;
const GROUP_LOADS: u32 = TILE_ROWS * STEP_GROUPS / WORKGROUP;

var<workgroup> x_tile: array<vec4<f16>, TILE_TOKENS * TILE_STRIDE>;
var<workgroup> weight_tile: array<vec4<f16>, TILE_ROWS * TILE_STRIDE>;
// Outputs of one row of fragments of each subgroup, on their way out.
var<workgroup> made: array<f32, SUBGROUPS * EDGE * SUBGROUP_ROWS>;

struct Loaded {
  x: array<Stored, X_LOADS>,
  groups: array<array<vec4<f16>, 8>, GROUP_LOADS>,
}

// The row of the matrix behind a row of the tile.
fn source_row(first_row: u32, tile_row: u32) -> u32 {
//#if gated
  // Fragments of gates and ups take turns, so that both of an output end in the same subgroup.
  let row = first_row / 2u + tile_row / (2u * EDGE) * EDGE + tile_row % EDGE;
  return min(row, params.rows - 1u) + select(0u, params.rows, (tile_row / EDGE) % 2u == 1u);
//#else
  return min(first_row + tile_row, params.rows - 1u);
//#endif
}

fn load_step(first_token: u32, first_row: u32, step: u32, invocation: u32) -> Loaded {
  var loaded: Loaded;
  for (var i = 0u; i < X_LOADS; i++) {
    let at = i * WORKGROUP + invocation;
    let token = min(first_token + at / STEP_VEC4S, state.rows - 1u);
    let column = step * STEP_VEC4S + at % STEP_VEC4S;
    if (column < params.groups * 8u) {
      loaded.x[i] = x[token * params.groups * 8u + column];
    }
  }
  for (var i = 0u; i < GROUP_LOADS; i++) {
    let at = i * WORKGROUP + invocation;
    let row = source_row(first_row, at / STEP_GROUPS);
    let group = step * STEP_GROUPS + at % STEP_GROUPS;
    if (group < params.groups) {
      loaded.groups[i] = load_group_half(row * params.row_vec4s, group, params.groups * 32u);
    }
  }
  return loaded;
}

fn store_step(loaded: Loaded, invocation: u32) {
  for (var i = 0u; i < X_LOADS; i++) {
    let at = i * WORKGROUP + invocation;
    x_tile[at / STEP_VEC4S * TILE_STRIDE + at % STEP_VEC4S] = bitcast<vec4<f16>>(loaded.x[i]);
  }
  for (var i = 0u; i < GROUP_LOADS; i++) {
    let at = i * WORKGROUP + invocation;
    for (var v = 0u; v < 8u; v++) {
      weight_tile[at / STEP_GROUPS * TILE_STRIDE + at % STEP_GROUPS * 8u + v] = loaded.groups[i][v];
    }
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first_token = workgroup.z * TILE_TOKENS;
  let first_row = workgroup.x * TILE_ROWS;
  let token_base = subgroup / 2u * SUBGROUP_TOKENS;
  let row_base = subgroup % 2u * SUBGROUP_ROWS;

  var sums: array<array<subgroup_matrix_result<f32, EDGE, EDGE>, ROW_FRAGMENTS>, TOKEN_FRAGMENTS>;
  var loaded = load_step(first_token, first_row, 0u, invocation);
  for (var step = 0u; step < STEPS; step++) {
    workgroupBarrier();
    store_step(loaded, invocation);
    workgroupBarrier();
    if (step + 1u < STEPS) {
      loaded = load_step(first_token, first_row, step + 1u, invocation);
    }
    for (var column = 0u; column < STEP_COLUMNS / EDGE; column++) {
      var weights_right: array<subgroup_matrix_right<f16, EDGE, EDGE>, ROW_FRAGMENTS>;
      for (var r = 0u; r < ROW_FRAGMENTS; r++) {
        weights_right[r] = subgroupMatrixLoad<subgroup_matrix_right<f16, EDGE, EDGE>, col_major>(
          &weight_tile, (row_base + r * EDGE) * TILE_STRIDE + column * EDGE / 4u, TILE_STRIDE);
      }
      for (var t = 0u; t < TOKEN_FRAGMENTS; t++) {
        let tokens = subgroupMatrixLoad<subgroup_matrix_left<f16, EDGE, EDGE>, row_major>(
          &x_tile, (token_base + t * EDGE) * TILE_STRIDE + column * EDGE / 4u, TILE_STRIDE);
        for (var r = 0u; r < ROW_FRAGMENTS; r++) {
          sums[t][r] = subgroupMatrixMultiplyAccumulate(tokens, weights_right[r], sums[t][r]);
        }
      }
    }
  }

  let made_base = subgroup * EDGE * SUBGROUP_ROWS;
  for (var t = 0u; t < TOKEN_FRAGMENTS; t++) {
    workgroupBarrier();
    for (var r = 0u; r < ROW_FRAGMENTS; r++) {
      subgroupMatrixStore<row_major>(&made, made_base + r * EDGE, sums[t][r], SUBGROUP_ROWS);
    }
    workgroupBarrier();
    write_made(first_token + token_base + t * EDGE, first_row + row_base, made_base, lane);
  }
}

//#if gated
// EDGE tokens × SUBGROUP_ROWS / 2 outputs, four an invocation and turn.
fn write_made(first_token: u32, first_row: u32, made_base: u32, lane: u32) {
  for (var i = lane; i < EDGE * SUBGROUP_ROWS / 8u; i += SUBGROUP_SIZE) {
    let token = i / (SUBGROUP_ROWS / 8u);
    let output = i % (SUBGROUP_ROWS / 8u) * 4u;
    let gate = made_base + token * SUBGROUP_ROWS + output / EDGE * 2u * EDGE + output % EDGE;
    write_gated(
      first_token + token, first_row / 2u + output,
      vec4<f32>(made[gate], made[gate + 1u], made[gate + 2u], made[gate + 3u]),
      vec4<f32>(made[gate + EDGE], made[gate + EDGE + 1u], made[gate + EDGE + 2u], made[gate + EDGE + 3u]),
    );
  }
}
//#else
fn write_made(first_token: u32, first_row: u32, made_base: u32, lane: u32) {
  for (var i = lane; i < EDGE * SUBGROUP_ROWS; i += SUBGROUP_SIZE) {
    write_output(first_token + i / SUBGROUP_ROWS, first_row + i % SUBGROUP_ROWS, made[made_base + i]);
  }
}
//#endif
