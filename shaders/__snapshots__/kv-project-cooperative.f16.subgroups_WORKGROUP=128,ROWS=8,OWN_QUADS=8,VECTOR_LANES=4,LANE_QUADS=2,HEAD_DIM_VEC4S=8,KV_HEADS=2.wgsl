enable subgroups;
const WORKGROUP: u32 = 128u;
const ROWS: u32 = 8u;
const OWN_QUADS: u32 = 8u;
const VECTOR_LANES: u32 = 4u;
const LANE_QUADS: u32 = 2u;
const HEAD_DIM_VEC4S: u32 = 8u;
const KV_HEADS: u32 = 2u;
struct Params {
  heads: u32,
  kv_heads: u32,
  group_size: u32,
  context_length: u32,
  staged_rows: u32,
  first_value: u32,
}
const params = Params(0u, 2u, 0u, 18u, 5u, 80u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> staged: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> k_cache: array<Stored>;
@group(0) @binding(4) var<storage, read_write> v_cache: array<Stored>;
@group(0) @binding(5) var<uniform> head_widths: array<HeadWidths, KV_HEADS>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
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
// How wide keys and values of each KV head are in caches of MatryoshkaKV, in components, and where a head begins: what heads before it take of
// a token. Blocks are those of packed caches.
struct HeadWidths {
  first_key: u32,
  key: u32,
  first_value: u32,
  value: u32,
  first_block: u32,
  blocks: u32,
  // Where the basis of its keys and the mean of its values are in the bases of all layers, where layers lie behind each other.
  basis: u32,
  mean: u32,
}
// Orthogonal bases of keys (MatryoshkaKV, arXiv 2410.14731): HEAD_DIM_VEC4S * 4 basis vectors of a KV head, most important first, in halves.

// From where on the basis of a head stands in the bases of a layer.
fn basis_of(kv_head: u32) -> u32 {
  return kv_head * HEAD_DIM_VEC4S * 4u * HEAD_DIM_VEC4S;
}

// Four components out of their halves.
fn basis_components(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// Components 4 quad to 4 quad + 3 of vector j of the basis from `first` on.
fn basis_quad(first: u32, j: u32, quad: u32) -> vec4<f32> {
  return basis_components(basis[first + j * HEAD_DIM_VEC4S + quad]);
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(first, quad * 4u, i)),
    dot(given, basis_quad(first, quad * 4u + 1u, i)),
    dot(given, basis_quad(first, quad * 4u + 2u, i)),
    dot(given, basis_quad(first, quad * 4u + 3u, i)),
  );
}

// What coefficients 4 i to 4 i + 3 contribute to components 4 quad to 4 quad + 3.
fn unprojected(first: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return mat4x4<f32>(
    basis_quad(first, i * 4u, quad),
    basis_quad(first, i * 4u + 1u, quad),
    basis_quad(first, i * 4u + 2u, quad),
    basis_quad(first, i * 4u + 3u, quad),
  ) * given;
}
// Coefficients of a head in the basis of its keys (MatryoshkaKV), by a workgroup that has OWN_QUADS of the head's quads: VECTOR_LANES neighbours
// take a vector of the basis, which they bring before there is anything to multiply. Which quad of the head the nth one is says `column_of`, of
// the module; `first` is what it counts from.

const HEAD_DIM: u32 = HEAD_DIM_VEC4S * 4u;

var<workgroup> own_quads: array<vec4<f32>, OWN_QUADS>;

// What an invocation takes of its vector.
alias Share = array<vec2<u32>, LANE_QUADS>;

fn bring_share(kv_head: u32, first: u32, invocation: u32) -> Share {
  let vector = min(invocation / VECTOR_LANES, HEAD_DIM - 1u);
  let of_vector = basis_of(kv_head) + vector * HEAD_DIM_VEC4S;
  var share: Share;
  share[0u] = basis[of_vector + column_of(first, 0u * VECTOR_LANES + invocation % VECTOR_LANES)];
  share[1u] = basis[of_vector + column_of(first, 1u * VECTOR_LANES + invocation % VECTOR_LANES)];
  return share;
}

// What the workgroup's quads add to the coefficient of an invocation's vector: for all invocations to call.
fn coefficient_of(share: Share, invocation: u32) -> f32 {
  var sum = 0.0;
  sum += dot(own_quads[0u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[0u]));
  sum += dot(own_quads[1u * VECTOR_LANES + invocation % VECTOR_LANES], basis_components(share[1u]));
  for (var step = VECTOR_LANES / 2u; step > 0u; step /= 2u) {
    sum += subgroupShuffleXor(sum, step);
  }
  return sum;
}

var<workgroup> narrow: array<f32, HEAD_DIM>;

// Of the whole head: as many as `width`, then zeros. Ends with a barrier.
fn make_narrow(share: Share, width: u32, invocation: u32) {
  let sum = coefficient_of(share, invocation);
  let vector = invocation / VECTOR_LANES;
  if (invocation % VECTOR_LANES == 0u && vector < HEAD_DIM) {
    narrow[vector] = select(0.0, sum, vector < width);
  }
  workgroupBarrier();
}

fn narrow_quad(quad: u32) -> vec4<f32> {
  let at = quad * 4u;
  return vec4<f32>(narrow[at], narrow[at + 1u], narrow[at + 2u], narrow[at + 3u]);
}
// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys of a pass become coefficients of their head's basis, as many as the head keeps, and
// go into the cache; queries become coefficients of the same basis, so that products stay what they are. What all keys have in common
// changes no softmax, so no mean is taken. Values are projected into their basis already (the file's weights are of it): the first of
// them are kept.
// cooperative: a workgroup makes a head of ROWS tokens (lib/coefficients). Else an invocation makes four components.
// queries: they become coefficients too. Not where tokens are selected: attention has whole keys there.
// staged: keys and values are put where they stand in the pass, on their way to a packed cache; `head_widths` may be a layer's of several.

// The KV head of a head: queries are first, then keys, then values.
fn head_of(head: u32) -> u32 {
  return (head - params.heads) % params.kv_heads;
}

struct Row {
  kv_head: u32,
  widths: HeadWidths,
  // Of what is given.
  from_token: u32,
  // Of what is kept.
  slot: u32,
  first_key: u32,
  first_value: u32,
}

fn row_of(head: u32, row: u32) -> Row {
  let kv_head = head_of(head);
  let widths = head_widths[kv_head];
  let from_token = (kv_head * params.staged_rows + row) * HEAD_DIM_VEC4S;
  return Row(kv_head, widths, from_token, state.position + row, widths.first_key, widths.first_value);
}

fn is_value(head: u32) -> bool {
  return head >= params.heads + params.kv_heads;
}

fn keep_value(own: Row, quad: u32) {
  if (quad * 4u < own.widths.value) {
    let at = own.first_value / 4u * params.context_length + own.slot * (own.widths.value / 4u);
    v_cache[at + quad] = pack_stored(staged[params.first_value + own.from_token + quad]);
  }
}

fn from_query(head: u32, row: u32) -> u32 {
  return (row * params.heads + head) * HEAD_DIM_VEC4S;
}

// Four components of a query or a key.
fn given_quad(own: Row, head: u32, row: u32, i: u32) -> vec4<f32> {
  return staged[own.from_token + i];
}

// Of queries those that no key has are zero: kernels read whole heads.
fn keep_coefficients(own: Row, head: u32, row: u32, quad: u32, made: vec4<f32>) {
  let is_kept = quad * 4u < own.widths.key;
  if (is_kept) {
    let at = own.first_key / 4u * params.context_length + own.slot * (own.widths.key / 4u);
    k_cache[at + quad] = pack_stored(made);
  }
}


fn column_of(first: u32, nth: u32) -> u32 {
  return first + nth;
}

// Four components that an invocation has of a row; of the last one behind it.
fn own_quad(head: u32, row: u32, invocation: u32) -> vec4<f32> {
  let given = min(row, params.staged_rows - 1u);
  return given_quad(row_of(head, given), head, given, min(invocation, HEAD_DIM_VEC4S - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let first = workgroup.z * ROWS;
  // On their way before anything waits.
  let share = bring_share(head_of(head), 0u, invocation);
  var given = own_quad(head, first, invocation);
  let end = min(first + ROWS, state.rows);
  for (var row = first; row < end; row++) {
    let own = row_of(head, row);
    if (is_value(head)) {
      if (invocation < HEAD_DIM_VEC4S) {
        keep_value(own, invocation);
      }
      continue;
    }
    if (invocation < HEAD_DIM_VEC4S) {
      own_quads[invocation] = given;
    }
    given = own_quad(head, row + 1u, invocation);
    workgroupBarrier();
    make_narrow(share, own.widths.key, invocation);
    if (invocation < HEAD_DIM_VEC4S) {
      keep_coefficients(own, head, row, invocation, narrow_quad(invocation));
    }
  }
}
