// Where the rows of a KV head lie in the caches, in units of Cached. ragged: every head has widths of its own (MatryoshkaKV); rows of a
// head follow each other without gaps, and what is left out of a row reads as zero. Else all rows are CACHED_PER_HEAD wide.

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

fn cached_key(rows: CachedRows, position: u32, i: u32) -> Cached {
  return k_cache[(rows.first + position) * CACHED_PER_HEAD + i];
}

fn cached_value(rows: CachedRows, position: u32, i: u32) -> Cached {
  return v_cache[(rows.first + position) * CACHED_PER_HEAD + i];
}
//#endif
