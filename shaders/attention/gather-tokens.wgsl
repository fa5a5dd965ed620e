// Last step of TokenSelect: fills the working set. Keys are turned to the position of their slot, and so are the queries of the pass, which
// have the last positions: the model never sees a distance beyond CAPACITY, however long the context is. An invocation takes a unit
// of eight components, of a slot's key and value or of a query.
//#import lib/state
//#import lib/selection
//#import lib/stored-{kv}
//#import lib/turn-quads
//#import lib/grid

const SLOT_UNITS: u32 = CAPACITY * params.kv_heads * UNITS_PER_HEAD;

// The token that stands in a slot.
fn token_of(slot: u32, tokens: u32) -> u32 {
  if (tokens <= CAPACITY || slot < INITIAL) {
    return slot;
  }
  if (slot < INITIAL + SELECTED) {
    return selection.tokens[slot - INITIAL];
  }
  return tokens - CAPACITY + slot;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let id = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  let tokens = state.position + state.rows;
  let u = id % UNITS_PER_HEAD;
  let quads = quads_of(u);
  if (id < SLOT_UNITS) {
    let kv_head = id / UNITS_PER_HEAD % params.kv_heads;
    let slot = id / (UNITS_PER_HEAD * params.kv_heads);
    if (slot < selection.first_slot || slot >= tokens) {
      return;
    }
    let from_token = (kv_head * params.context_length + token_of(slot, tokens)) * HEAD_DIM_VEC4S + quads;
    let to_slot = (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S + quads;
    let key = Quads(unpack_stored(k_cache[from_token.x]), unpack_stored(k_cache[from_token.y]));
    let turned = turn(key, load_turning(u, quads, slot));
    keys[to_slot.x] = pack_stored(turned.a);
    keys[to_slot.y] = pack_stored(turned.b);
    values[to_slot.x] = v_cache[from_token.x];
    values[to_slot.y] = v_cache[from_token.y];
    return;
  }
  let head = (id - SLOT_UNITS) / UNITS_PER_HEAD;
  let row = head / params.heads;
  if (row >= state.rows) {
    return;
  }
  let at = head * HEAD_DIM_VEC4S + quads;
  let position = min(tokens, CAPACITY) - state.rows + row;
  let turned = turn(Quads(queries[at.x], queries[at.y]), load_turning(u, quads, position));
  queries[at.x] = turned.a;
  queries[at.y] = turned.b;
}
