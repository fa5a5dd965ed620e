// Where the rows of a KV head lie in the caches, in units of Cached. ragged: every head has widths of its own (MatryoshkaKV); rows of a
// head follow each other without gaps, and what is left out of a row reads as zero. Else all rows are CACHED_PER_HEAD wide.
// packed: in units of Stored, two to a Cached, whose numbers want a scale: lib/stored-q8_0.

//#if ragged
struct CachedRows {
  first_key: u32,
  key_width: u32,
  first_value: u32,
  value_width: u32,
}

fn cached_rows(kv_head: u32) -> CachedRows {
  // In components: keys of the heads before and of this one, then values likewise.
  let widths = head_widths[kv_head] / CACHED_COMPONENTS;
  return CachedRows(widths.x * params.context_length, widths.y, widths.z * params.context_length, widths.w);
}

fn key_width(rows: CachedRows) -> u32 {
  return rows.key_width;
}

fn value_width(rows: CachedRows) -> u32 {
  return rows.value_width;
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  if (i >= rows.key_width) {
    return Cached();
  }
  return k_cache[rows.first_key + position * rows.key_width + i];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  if (i >= rows.value_width) {
    return Cached();
  }
  return v_cache[rows.first_value + position * rows.value_width + i];
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

fn cached_at(rows: CachedRows, position: u32, i: u32) -> u32 {
  return (rows.first + position) * CACHED_PER_HEAD + i;
}

//#if packed
// Of the block that four components of a key and of its value are in.
fn cached_scales(rows: CachedRows, position: u32, i: u32) -> vec2<f32> {
  return unpack2x16float(kv_scales[cached_at(rows, position, i) / 8u]);
}

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).x * numbers_of(k_cache[cached_at(rows, position, i) / 2u], i % 2u);
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Stored {
  return cached_scales(rows, position, i).y * numbers_of(v_cache[cached_at(rows, position, i) / 2u], i % 2u);
}
//#else
fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[cached_at(rows, position, i)];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[cached_at(rows, position, i)];
}
//#endif
//#endif
