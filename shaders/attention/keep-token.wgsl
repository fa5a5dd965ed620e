// Second step of TokenSelect for a decode step: its key and value, which were made for the working set, go into the caches, the key turned back.
// gather-tokens takes them from there. A workgroup takes a KV head, in a layer.
// ragged: of the key its coefficients of the head's basis, of the value its first components (kv-project).
//#import lib/state
//#import lib/selection
//#import lib/stored-{set}
//#import lib/turn-quads
//#if packed
//#import lib/numbers-{kv}
//#import lib/pack-block
//#else
alias Cached = Stored;
//#endif
//#import lib/selected-rows

alias Head = array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> key: Head;
var<workgroup> value: Head;
//#if ragged
var<workgroup> coefficients: Head;
//#endif

// As much as the row keeps, then zeros.
fn kept_key(row: SelectedRow, i: u32) -> vec4<f32> {
//#if ragged
  return coefficients[i];
//#else
  return key[i];
//#endif
}

fn kept_value(row: SelectedRow, i: u32) -> vec4<f32> {
  return select(vec4<f32>(), value[i], i < value_quads(row));
}

//#if packed
fn key_block(row: SelectedRow, block: u32) -> Block {
  var quads: array<vec4<f32>, 8>;
  for (var i = 0u; i < 8u; i++) {
    quads[i] = kept_key(row, block * 8u + i);
  }
  return block_of(quads);
}

fn value_block(row: SelectedRow, block: u32) -> Block {
  var quads: array<vec4<f32>, 8>;
  for (var i = 0u; i < 8u; i++) {
    quads[i] = kept_value(row, block * 8u + i);
  }
  return block_of(quads);
}
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  let kv_head = workgroup.x;
  let slot = selections[layer].slot;
  let own_slot = layer * SET_STRIDE + (kv_head * CAPACITY + slot) * HEAD_DIM_VEC4S;
  for (var u = invocation; u < UNITS_PER_HEAD; u += WORKGROUP) {
    let quads = quads_of(u);
    let at = own_slot + quads;
    let turned = Quads(unpack_stored(slots[at.x]), unpack_stored(slots[at.y]));
    let plain = turn(turned, turned_back(load_turning(u, quads, slot)));
    key[quads.x] = plain.a;
    key[quads.y] = plain.b;
    value[quads.x] = unpack_stored(slots[SET_VALUES + at.x]);
    value[quads.y] = unpack_stored(slots[SET_VALUES + at.y]);
  }
  workgroupBarrier();
  let row = selected_row(layer, kv_head, state.position);
//#if ragged
  let basis_at = widths_of(layer, kv_head).basis;
  for (var quad = invocation; quad < HEAD_DIM_VEC4S; quad += WORKGROUP) {
    var sum = vec4<f32>();
    if (quad < row.key_quads) {
      for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
        sum += projected(basis_at, key[i], i, quad);
      }
    }
    coefficients[quad] = sum;
  }
  workgroupBarrier();
//#endif
//#if packed
  let blocks = (max(key_quads(row), value_quads(row)) + 7u) / 8u;
  for (var block = invocation; block < blocks; block += WORKGROUP) {
    let of_key = key_block(row, block);
    let of_value = value_block(row, block);
    kv_scales[row.block + block] = pack2x16float(vec2<f32>(of_key.scale, of_value.scale));
    for (var i = 0u; i < 4u; i++) {
      if (block * 8u + 2u * i < key_quads(row)) {
        k_cache[row.key / 2u + block * 4u + i] = of_key.numbers[i];
      }
      if (block * 8u + 2u * i < value_quads(row)) {
        v_cache[row.value / 2u + block * 4u + i] = of_value.numbers[i];
      }
    }
  }
//#else
  for (var i = invocation; i < HEAD_DIM_VEC4S; i += WORKGROUP) {
    if (i < key_quads(row)) {
      k_cache[row.key + i] = pack_stored(kept_key(row, i));
    }
    if (i < value_quads(row)) {
      v_cache[row.value + i] = pack_stored(kept_value(row, i));
    }
  }
//#endif
}
