// Last step of TokenSelect: fills the working set. Keys are turned to the position of their slot: the model never sees a distance beyond
// CAPACITY, however long the context is. An invocation takes a unit of eight components of a slot's
// key and value, in a layer.
//#if step
// Behind a decode step the step's own key and value, which were made for the working set, go into the caches as well; the set is filled only
// where a selection was due. packed: from there on they stand in the set as the caches hold them; an invocation takes a whole head of them.
//#else
// For a pass the whole set is filled.
//#endif
//#if queries
// The queries are turned to the last positions: further invocations take a unit of a query. Those of a step were turned to its slot.
//#endif
//#import lib/state
//#import lib/selection
//#import lib/stored-{set}
//#import lib/turn-quads
//#import lib/grid
//#if packed
//#import lib/numbers-{kv}
//#import lib/pack-block
//#else
alias Cached = Stored;
//#endif
//#import lib/selected-rows

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
  slots[slot_quads.x] = pack_stored(turned.a);
  slots[slot_quads.y] = pack_stored(turned.b);
  slots[SET_VALUES + slot_quads.x] = value_a;
  slots[SET_VALUES + slot_quads.y] = value_b;
}

// The key of a slot before rotation.
fn plain_key(slot_quads: vec2<u32>, turning: Turning) -> Quads {
  return turn(Quads(unpack_stored(slots[slot_quads.x]), unpack_stored(slots[slot_quads.y])), turned_back(turning));
}

//#if packed
fn value_quad(layer: u32, at: u32) -> Stored {
  return pack_stored(scales_of_quad(layer, at).y * numbers_of(v_cache[(layer * CACHE_STRIDE + at) / 2u], at % 2u));
}

//#if step
alias Head = array<vec4<f32>, HEAD_DIM_VEC4S>;

fn block_of_head(head: Head, block: u32) -> Block {
  var given = head;
  var quads: array<vec4<f32>, 8>;
  for (var i = 0u; i < 8u; i++) {
    quads[i] = given[block * 8u + i];
  }
  return block_of(quads);
}

// The step's own token, which stands in no slot that is filled: into the caches, and as they hold it into the slots that it has.
fn keep_token(layer: u32, first_cached: u32, own_set: u32, slot: u32, is_due: bool) {
  let at = own_set + slot * HEAD_DIM_VEC4S;
  var key: Head;
  var value: Head;
  for (var u = 0u; u < UNITS_PER_HEAD; u++) {
    let quads = quads_of(u);
    let plain = plain_key(at + quads, load_turning(u, quads, slot));
    key[quads.x] = plain.a;
    key[quads.y] = plain.b;
    value[quads.x] = unpack_stored(slots[SET_VALUES + at + quads.x]);
    value[quads.y] = unpack_stored(slots[SET_VALUES + at + quads.y]);
  }
  let to_cache = layer * CACHE_STRIDE + first_cached;
  for (var b = 0u; b < HEAD_DIM_VEC4S / 8u; b++) {
    var own_key = block_of_head(key, b);
    var own_value = block_of_head(value, b);
    let scales = pack2x16float(vec2<f32>(own_key.scale, own_value.scale));
    kv_scales[layer * SCALES_STRIDE + first_cached / 8u + b] = scales;
    for (var i = 0u; i < 4u; i++) {
      k_cache[to_cache / 2u + b * 4u + i] = own_key.numbers[i];
      v_cache[to_cache / 2u + b * 4u + i] = own_value.numbers[i];
    }
    for (var i = 0u; i < 8u; i++) {
      key[b * 8u + i] = unpack2x16float(scales).x * numbers_of(own_key.numbers[i / 2u], i % 2u);
      value[b * 8u + i] = unpack2x16float(scales).y * numbers_of(own_value.numbers[i / 2u], i % 2u);
    }
  }
  for (var u = 0u; u < UNITS_PER_HEAD; u++) {
    let quads = quads_of(u);
    let plain = Quads(key[quads.x], key[quads.y]);
    let value_a = pack_stored(value[quads.x]);
    let value_b = pack_stored(value[quads.y]);
    put(at + quads, plain, load_turning(u, quads, slot), value_a, value_b);
    if (is_due) {
      let last = own_set + (FILLED - 1u) * HEAD_DIM_VEC4S + quads;
      put(last, plain, load_turning(u, quads, FILLED - 1u), value_a, value_b);
    }
  }
}
//#endif
//#else
fn value_quad(layer: u32, at: u32) -> Stored {
  return v_cache[layer * CACHE_STRIDE + at];
}
//#endif

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
    let own_cache = kv_head * params.context_length * HEAD_DIM_VEC4S;
    let own_set = layer * SET_STRIDE + kv_head * CAPACITY * HEAD_DIM_VEC4S;
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
//#if step
    if (is_own) {
      let first_cached = own_cache + state.position * HEAD_DIM_VEC4S;
//#if packed
      if (u == 0u) {
        keep_token(layer, first_cached, own_set, slot, is_due);
      }
//#else
      // It stands in no slot that is filled.
      let from_slot = own_set + slot * HEAD_DIM_VEC4S + quads;
      let plain = plain_key(from_slot, load_turning(u, quads, slot));
      let value_a = slots[SET_VALUES + from_slot.x];
      let value_b = slots[SET_VALUES + from_slot.y];
      let to_cache = layer * CACHE_STRIDE + first_cached + quads;
      k_cache[to_cache.x] = pack_stored(plain.a);
      k_cache[to_cache.y] = pack_stored(plain.b);
      v_cache[to_cache.x] = value_a;
      v_cache[to_cache.y] = value_b;
      if (is_due) {
        let last = own_set + (FILLED - 1u) * HEAD_DIM_VEC4S + quads;
        put(last, plain, load_turning(u, quads, FILLED - 1u), value_a, value_b);
      }
//#endif
      return;
    }
//#endif
    let from_token = own_cache + token_of(layer, slot, tokens) * HEAD_DIM_VEC4S + quads;
    let key = Quads(key_quad(layer, from_token.x), key_quad(layer, from_token.y));
    let to_slot = own_set + slot * HEAD_DIM_VEC4S + quads;
    put(to_slot, key, load_turning(u, quads, slot), value_quad(layer, from_token.x), value_quad(layer, from_token.y));
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
