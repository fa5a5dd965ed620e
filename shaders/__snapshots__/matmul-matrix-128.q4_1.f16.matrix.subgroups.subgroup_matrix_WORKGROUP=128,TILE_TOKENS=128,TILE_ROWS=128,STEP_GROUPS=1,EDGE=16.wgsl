enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
const WORKGROUP: u32 = 128u;
const TILE_TOKENS: u32 = 128u;
const TILE_ROWS: u32 = 128u;
const STEP_GROUPS: u32 = 1u;
const EDGE: u32 = 16u;
struct Params {
  rows: u32,
  groups: u32,
  row_vec4s: u32,
  y_stride: u32,
  y_offset: u32,
}
const params = Params(129u, 2u, 3u, 129u, 0u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<Stored>;
@group(0) @binding(3) var<storage, read_write> y: array<Output>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  padding: u32,
  tokens: array<u32>,
}
// Four numbers stored in half precision, two to a word: no f16 extension is needed for that.
alias Stored = vec2<u32>;

fn unpack_stored(stored: Stored) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(stored.x), unpack2x16float(stored.y));
}

fn pack_stored(value: vec4<f32>) -> Stored {
  return vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
}
// Numbers out of the words that src/quant/pack.ts makes.

// Eight 4-bit numbers of a word: elements 2j at bits 4j, elements 2j + 1 at bits 16 + 4j.
fn low_nibbles(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 16u, 4u, 20u)) & vec4<u32>(15u));
}

fn high_nibbles(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(8u, 24u, 12u, 28u)) & vec4<u32>(15u));
}

// Four neighbouring 2-bit numbers from element `first` of a word on.
fn pairs_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> (2u * first)) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u));
}

// Four neighbouring bits from element `first` of a word on.
fn bits_at(word: u32, first: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word >> first) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
}

// The n-th byte of a word, signed.
fn signed_byte(word: u32, n: u32) -> f32 {
  return f32(bitcast<i32>(word << (24u - 8u * n)) >> 24u);
}

// The word at this index of the row's words.
fn weight_word(at: u32) -> u32 {
  return weights[at >> 2u][at & 3u];
}

// The half-precision number at this index of the row's half words.
fn weight_half(row_base: u32, at: u32) -> f32 {
  let both = unpack2x16float(weight_word(row_base * 4u + (at >> 1u)));
  return select(both.x, both.y, (at & 1u) == 1u);
}
// Pairs of 4-bit numbers as halves without a conversion: the bits of n in the mantissa of 1024 are 1024 + n, one binade up 1024 + 16n.

// Numbers at bits 0 and 16, less `offset` (1024 + the format's own).
fn low_pair(word: u32, offset: f16) -> vec2<f16> {
  return bitcast<vec2<f16>>((word & 0x000f000fu) | 0x64006400u) - vec2<f16>(offset);
}

// Numbers at bits 4 and 20, less `offset`.
fn high_pair(word: u32, offset: f16) -> vec2<f16> {
  return fma(
    bitcast<vec2<f16>>((word & 0x00f000f0u) | 0x64006400u),
    vec2<f16>(0.0625h), vec2<f16>(960.0h - offset),
  );
}

// Eight numbers of a word, in order: pairs stand at bits 0, 4, 8 and 12 of both halves (src/quant/pack.ts).
fn nibbles(word: u32, offset: f16) -> array<vec4<f16>, 2> {
  let late = word >> 8u;
  return array<vec4<f16>, 2>(
    vec4<f16>(low_pair(word, offset), high_pair(word, offset)),
    vec4<f16>(low_pair(late, offset), high_pair(late, offset)),
  );
}
// As quant/q4_1, in halves.

fn load_group_half(row_base: u32, group: u32, columns: u32) -> array<vec4<f16>, 8> {
  let q = weights[row_base + group];
  let factors = bitcast<vec2<f16>>(weight_word(row_base * 4u + columns / 8u + group));
  let scale = vec4<f16>(factors.x);
  let minimum = vec4<f16>(factors.y);
  let a = nibbles(q.x, 1024.0h);
  let b = nibbles(q.y, 1024.0h);
  let c = nibbles(q.z, 1024.0h);
  let d = nibbles(q.w, 1024.0h);
  return array<vec4<f16>, 8>(
    fma(a[0], scale, minimum), fma(a[1], scale, minimum), fma(b[0], scale, minimum), fma(b[1], scale, minimum),
    fma(c[0], scale, minimum), fma(c[1], scale, minimum), fma(d[0], scale, minimum), fma(d[1], scale, minimum),
  );
}
// The matrix variant of matmul: a workgroup of four subgroups makes TILE_TOKENS × TILE_ROWS outputs. Both tiles of STEP_GROUPS groups
// of 32 columns lie in workgroup memory as halves; while subgroups multiply EDGE × EDGE fragments out of them with sums in single
// precision, the next tiles are already on their way into registers.

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
  return min(first_row + tile_row, params.rows - 1u);
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

fn write_made(first_token: u32, first_row: u32, made_base: u32, lane: u32) {
  for (var i = lane; i < EDGE * SUBGROUP_ROWS; i += SUBGROUP_SIZE) {
    write_output(first_token + i / SUBGROUP_ROWS, first_row + i % SUBGROUP_ROWS, made[made_base + i]);
  }
}
// y[token, row] = Σ_k x[token, k] · weights[row, k], for all tokens of a pass.
//
// matrix: subgroups multiply fragments out of tiles of halves: lib/matrix-tiles.
// tiled:  a workgroup of 16×16 makes 64 tokens × 64 rows; both tiles of a group of 32 columns lie in workgroup memory,
//         columns outermost. An invocation holds 4×4 sums.
// else:   barrier-free, for adapters where barriers are slow: an invocation makes TOKENS tokens of one row.
//
// gated:  rows `row` (gate) and `row + rows` (up) give activation(gate) · up (Shazeer 2020, arXiv 2002.05202).

alias Output = f32;

fn write_output(token: u32, row: u32, sum: f32) {
  if (token >= state.rows || row >= params.rows) {
    return;
  }
  let at = token * params.y_stride + params.y_offset + row;
  var value = sum;
  y[at] = value;
}
