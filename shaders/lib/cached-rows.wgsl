// Where the rows of a KV head lie in the caches, in units of CACHED_COMPONENTS. ragged: every head has widths of its own (MatryoshkaKV); rows
// of a head follow each other without gaps, and beyond its width a row repeats what it ends with: queries are zero there, and outputs are
// not read (lib/left-out). Else all rows are CACHED_PER_HEAD wide.
// packed: numbers that want a scale, eight to a Cached: lib/stored-q8_0.

//#if eights
const CACHED_COMPONENTS: u32 = 8u;
//#else
const CACHED_COMPONENTS: u32 = 4u;
//#endif
//#if !packed
//#if eights
// Eight halves.
alias Cached = vec4<u32>;
//#else
alias Cached = Stored;
//#endif
//#endif
// Units of a packed block.
const BLOCK_UNITS: u32 = 32u / CACHED_COMPONENTS;

//#if ragged
//#import lib/head-widths

struct CachedRows {
  first_key: u32,
  key_width: u32,
  first_value: u32,
  value_width: u32,
//#if packed
  first_block: u32,
  blocks: u32,
//#endif
}

fn cached_rows(kv_head: u32) -> CachedRows {
  let widths = head_widths[kv_head];
  return CachedRows(
    widths.first_key / CACHED_COMPONENTS * params.context_length, widths.key / CACHED_COMPONENTS,
    widths.first_value / CACHED_COMPONENTS * params.context_length, widths.value / CACHED_COMPONENTS,
//#if packed
    widths.first_block * params.context_length, widths.blocks,
//#endif
  );
}

fn key_width(rows: CachedRows) -> u32 {
  return rows.key_width;
}

fn value_width(rows: CachedRows) -> u32 {
  return rows.value_width;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_key + position * rows.key_width + min(i, rows.key_width - 1u);
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return rows.first_value + position * rows.value_width + min(i, rows.value_width - 1u);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
//#if packed
  return rows.first_block + position * rows.blocks + min(i / BLOCK_UNITS, rows.blocks - 1u);
//#else
  return 0u;
//#endif
}
//#else
struct CachedRows {
  first: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  return CachedRows(kv_head * params.context_length);
}

fn key_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn value_width(rows: CachedRows) -> u32 {
  return CACHED_PER_HEAD;
}

fn key_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return (rows.first + position) * CACHED_PER_HEAD + i;
}

fn value_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i);
}

fn block_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return key_at(rows, position, i) / BLOCK_UNITS;
}
//#endif

//#if packed
// Of the block that a unit of a key and of its value are in.
fn cached_scales(rows: CachedRows, position: u32, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[block_at(rows, position, i)]);
}

//#if !eights
fn cached_key(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).x * numbers_of(k_cache[key_at(rows, position, i) / 2u], i % 2u);
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).y * numbers_of(v_cache[value_at(rows, position, i) / 2u], i % 2u);
}
//#endif
//#else
fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[key_at(rows, position, i)];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[value_at(rows, position, i)];
}
//#endif
