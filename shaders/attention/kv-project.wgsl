// MatryoshkaKV (arXiv 2410.14731, section 3): rotated keys of a pass become coefficients of their head's basis, as many as the head keeps, and
// go into the cache; queries become coefficients of the same basis, so that products stay what they are. What all keys have in common
// changes no softmax, so no mean is taken. Values are projected into their basis already (the file's weights are of it): the first of
// them are kept.
// cooperative: a workgroup makes a head of ROWS tokens (lib/coefficients). Else an invocation makes four components.
// queries: they become coefficients too. Not where tokens are selected: attention has whole keys there.
// staged: keys and values are put where they stand in the pass, on their way to a packed cache; `head_widths` may be a layer's of several.
//#import lib/state
//#import lib/stored-{kv}
//#import lib/head-widths
//#if !cooperative
//#import lib/basis
//#endif

// The KV head of a head: queries are first, then keys, then values.
fn head_of(head: u32) -> u32 {
//#if queries
  if (head < params.heads) {
    return head / params.group_size;
  }
//#endif
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
//#if staged
  return Row(
    kv_head, widths, from_token, row,
    widths.first_key - head_widths[0].first_key, widths.first_value - head_widths[0].first_value,
  );
//#else
  return Row(kv_head, widths, from_token, state.position + row, widths.first_key, widths.first_value);
//#endif
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
//#if queries
  if (head < params.heads) {
    return queries[from_query(head, row) + i];
  }
//#endif
  return staged[own.from_token + i];
}

// Of queries those that no key has are zero: kernels read whole heads.
fn keep_coefficients(own: Row, head: u32, row: u32, quad: u32, made: vec4<f32>) {
  let is_kept = quad * 4u < own.widths.key;
//#if queries
  if (head < params.heads) {
    narrow_queries[from_query(head, row) + quad] = select(vec4<f32>(), made, is_kept);
    return;
  }
//#endif
  if (is_kept) {
    let at = own.first_key / 4u * params.context_length + own.slot * (own.widths.key / 4u);
    k_cache[at + quad] = pack_stored(made);
  }
}

//#if cooperative
//#import lib/coefficients

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
//#else
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.z;
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads + 2u * params.kv_heads || row >= state.rows) {
    return;
  }
  let own = row_of(head, row);
  if (is_value(head)) {
    keep_value(own, quad);
    return;
  }
  var made = vec4<f32>();
  if (quad * 4u < own.widths.key) {
    for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
      made += projected(basis_of(own.kv_head), given_quad(own, head, row, i), i, quad);
    }
  }
  keep_coefficients(own, head, row, quad, made);
}
//#endif
