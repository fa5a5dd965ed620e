// Keys and values stored as they are.
alias KvVec = vec4<f32>;

fn unpack_kv(stored: KvVec) -> vec4<f32> {
  return stored;
}

fn pack_kv(value: vec4<f32>) -> KvVec {
  return value;
}
