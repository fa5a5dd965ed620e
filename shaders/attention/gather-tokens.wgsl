// Last step of TokenSelect: fills the working set from the caches. Keys are turned to the position of their slot: the model never sees a
// distance beyond CAPACITY, however long the context is. An invocation takes a unit of eight components of a slot's key and value, in a layer.
// ragged: keys are made whole of their coefficients, and behind what is kept of a value stands what values are on average.
//#if step
// Where no selection is due, the step's own token alone: from there on it stands in the set as the caches hold it.
//#else
// For a pass the whole set is filled.
//#endif
//#import lib/state
//#import lib/selection
//#import lib/stored-{set}
//#import lib/turn-quads
//#import lib/grid
//#if packed
//#import lib/numbers-{kv}
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

fn value_quad(row: SelectedRow, i: u32) -> vec4<f32> {
//#if packed
  let at = row.value + i;
  return scales_of_quad(row, i).y * numbers_of(v_cache[at / 2u], at % 2u);
//#else
  return unpack_stored(v_cache[row.value + i]);
//#endif
}

//#if ragged
fn whole_key(row: SelectedRow, widths: HeadWidths, quads: vec2<u32>) -> Quads {
  var key = Quads(vec4<f32>(), vec4<f32>());
  for (var i = 0u; i < row.key_quads; i++) {
    let coefficients = key_quad(row, i);
    key.a += unprojected(widths.basis, coefficients, i, quads.x);
    key.b += unprojected(widths.basis, coefficients, i, quads.y);
  }
  return key;
}

fn whole_value(row: SelectedRow, widths: HeadWidths, i: u32) -> vec4<f32> {
  if (i < row.value_quads) {
    return value_quad(row, i);
  }
  let mean = widths.mean + 2u * i;
  return bitcast<vec4<f32>>(vec4<u32>(basis[mean], basis[mean + 1u]));
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
  if (id >= SLOT_UNITS) {
    return;
  }
  let u = id % UNITS_PER_HEAD;
  let kv_head = id / UNITS_PER_HEAD % params.kv_heads;
  let slot = id / (UNITS_PER_HEAD * params.kv_heads);
  let tokens = state.position + state.rows;
//#if step
  let is_due = selections[layer].is_due != 0u;
  if (!select(slot == selections[layer].slot, slot >= INITIAL && slot < FILLED, is_due)) {
    return;
  }
  var token = tokens - 1u;
  if (is_due) {
    token = token_of(layer, slot, tokens);
  }
//#else
  if (slot >= select(FILLED, tokens, tokens < CAPACITY)) {
    return;
  }
  let token = token_of(layer, slot, tokens);
//#endif
  let quads = quads_of(u);
  let row = selected_row(layer, kv_head, token);
//#if ragged
  let widths = widths_of(layer, kv_head);
  let key = whole_key(row, widths, quads);
  let value = Quads(whole_value(row, widths, quads.x), whole_value(row, widths, quads.y));
//#else
  let key = Quads(key_quad(row, quads.x), key_quad(row, quads.y));
  let value = Quads(value_quad(row, quads.x), value_quad(row, quads.y));
//#endif
  let turned = turn(key, load_turning(u, quads, slot));
  let to = layer * SET_STRIDE + (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S + quads;
  slots[to.x] = pack_stored(turned.a);
  slots[to.y] = pack_stored(turned.b);
  slots[SET_VALUES + to.x] = pack_stored(value.a);
  slots[SET_VALUES + to.y] = pack_stored(value.b);
}
