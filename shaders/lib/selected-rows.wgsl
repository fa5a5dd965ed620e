// The caches that tokens are selected from, in quads: rows [KV head][token] of a layer.
// ragged: a head's rows are as wide as it keeps them (MatryoshkaKV), and layers follow each other without gaps. Beyond its width a row repeats what
// it ends with.
// packed: two quads to a Cached, whose numbers want a scale: lib/numbers-q8_0.

// Where the key and the value of a token begin, and the scales of their blocks.
struct SelectedRow {
  key: u32,
  value: u32,
  block: u32,
//#if ragged
  key_quads: u32,
  value_quads: u32,
//#endif
}

//#if ragged
//#import lib/head-widths
//#import lib/basis

fn widths_of(layer: u32, kv_head: u32) -> HeadWidths {
  return head_widths[layer * WIDTHS_ROOM + kv_head];
}

fn selected_row(layer: u32, kv_head: u32, token: u32) -> SelectedRow {
  let widths = widths_of(layer, kv_head);
  let key_quads = widths.key / 4u;
  let value_quads = widths.value / 4u;
  return SelectedRow(
    widths.first_key / 4u * params.context_length + token * key_quads,
    widths.first_value / 4u * params.context_length + token * value_quads,
    widths.first_block * params.context_length + token * widths.blocks,
    key_quads, value_quads,
  );
}

fn key_quads(row: SelectedRow) -> u32 {
  return row.key_quads;
}

fn value_quads(row: SelectedRow) -> u32 {
  return row.value_quads;
}

fn key_at(row: SelectedRow, i: u32) -> u32 {
  return row.key + min(i, row.key_quads - 1u);
}
//#else
fn selected_row(layer: u32, kv_head: u32, token: u32) -> SelectedRow {
  let first = (kv_head * params.context_length + token) * HEAD_DIM_VEC4S;
  return SelectedRow(layer * CACHE_STRIDE + first, layer * CACHE_STRIDE + first, layer * SCALES_STRIDE + first / 8u);
}

fn key_quads(row: SelectedRow) -> u32 {
  return HEAD_DIM_VEC4S;
}

fn value_quads(row: SelectedRow) -> u32 {
  return HEAD_DIM_VEC4S;
}

fn key_at(row: SelectedRow, i: u32) -> u32 {
  return row.key + i;
}
//#endif

//#if packed
// Of the block of a key and of its value that a quad is in.
fn scales_of_quad(row: SelectedRow, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[row.block + i / 8u]);
}

fn key_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  let at = key_at(row, i);
  return scales_of_quad(row, at - row.key).x * numbers_of(k_cache[at / 2u], at % 2u);
}
//#else
fn key_quad(row: SelectedRow, i: u32) -> vec4<f32> {
  return unpack_stored(k_cache[key_at(row, i)]);
}
//#endif
