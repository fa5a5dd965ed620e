// Last step of TokenSelect: fills the working set. Keys are turned to the position of their slot: the model never sees a distance beyond
// CAPACITY, however long the context is. An invocation takes a unit of eight components of a slot's
// key and value, in a layer.
//#if step
// Behind a decode step the step's own key and value, which were made for the working set, go into the caches as well; the set is filled only
// where a selection was due.
//#else
// For a pass the whole set is filled.
//#endif
//#if queries
// The queries are turned to the last positions: further invocations take a unit of a query. Those of a step were turned to its slot.
//#endif
//#import lib/state
//#import lib/selection
//#import lib/stored-{kv}
//#import lib/turn-quads
//#import lib/grid

const SLOT_UNITS: u32 = CAPACITY * params.kv_heads * UNITS_PER_HEAD;

// The token that stands in a slot of a set that was filled when there were so many tokens.
fn token_of(layer: u32, slot: u32, tokens: u32) -> u32 {
  if (tokens < CAPACITY || slot < INITIAL) {
    return slot;
  }
  if (slot < INITIAL + SELECTED) {
    return selections[layer].tokens[slot - INITIAL];
  }
  return tokens - FILLED + slot;
}

fn put(slot_quads: vec2<u32>, key: Quads, turning: Turning, value_a: Stored, value_b: Stored) {
  let turned = turn(key, turning);
  keys[slot_quads.x] = pack_stored(turned.a);
  keys[slot_quads.y] = pack_stored(turned.b);
  values[slot_quads.x] = value_a;
  values[slot_quads.y] = value_b;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let layer = workgroup.z;
  let id = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  let tokens = state.position + state.rows;
//#if queries
  let filled = select(FILLED, tokens, tokens < CAPACITY);
//#endif
  let u = id % UNITS_PER_HEAD;
  let quads = quads_of(u);
  if (id < SLOT_UNITS) {
    let kv_head = id / UNITS_PER_HEAD % params.kv_heads;
    let slot = id / (UNITS_PER_HEAD * params.kv_heads);
    let own_cache = layer * CACHE_STRIDE + kv_head * params.context_length * HEAD_DIM_VEC4S + quads;
    let own_set = layer * SET_STRIDE + kv_head * CAPACITY * HEAD_DIM_VEC4S + quads;
//#if step
    let is_own = slot == selections[layer].slot;
    let is_due = selections[layer].is_due != 0u;
    if (!is_own && (!is_due || slot < INITIAL || slot >= FILLED - 1u)) {
      return;
    }
//#else
    if (slot >= filled) {
      return;
    }
//#endif
    let turning = load_turning(u, quads, slot);
    let to_slot = own_set + slot * HEAD_DIM_VEC4S;
//#if step
    if (is_own) {
      // The step's own token, which stands in no slot that is filled.
      let key = Quads(unpack_stored(keys[to_slot.x]), unpack_stored(keys[to_slot.y]));
      let plain = turn(key, turned_back(turning));
      let to_cache = own_cache + state.position * HEAD_DIM_VEC4S;
      k_cache[to_cache.x] = pack_stored(plain.a);
      k_cache[to_cache.y] = pack_stored(plain.b);
      v_cache[to_cache.x] = values[to_slot.x];
      v_cache[to_cache.y] = values[to_slot.y];
      if (is_due) {
        let last = own_set + (FILLED - 1u) * HEAD_DIM_VEC4S;
        put(last, plain, load_turning(u, quads, FILLED - 1u), values[to_slot.x], values[to_slot.y]);
      }
      return;
    }
//#endif
    let from_token = own_cache + token_of(layer, slot, tokens) * HEAD_DIM_VEC4S;
    let key = Quads(unpack_stored(k_cache[from_token.x]), unpack_stored(k_cache[from_token.y]));
    put(to_slot, key, turning, v_cache[from_token.x], v_cache[from_token.y]);
    return;
  }
//#if queries
  let head = (id - SLOT_UNITS) / UNITS_PER_HEAD;
  let row = head / params.heads;
  if (row >= state.rows) {
    return;
  }
  let at = head * HEAD_DIM_VEC4S + quads;
  let position = filled - state.rows + row;
  var query = Quads(queries[at.x], queries[at.y]);
//#if step
  query = turn(query, turned_back(load_turning(u, quads, selections[layer].slot)));
//#endif
  let turned = turn(query, load_turning(u, quads, position));
  queries[at.x] = turned.a;
  queries[at.y] = turned.b;
//#endif
}
