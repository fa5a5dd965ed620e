const WORKGROUP: u32 = 64u;
struct Params {
  capacity: u32,
}
const params = Params(32u);
@group(0) @binding(0) var<storage, read> count: array<u32>;
@group(0) @binding(1) var<storage, read> candidates: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> ranked: array<vec4<f32>>;
// Candidates in any order -> by falling score, ties by rising cell. A candidate's place is the number of those before it: n * n
// comparisons, and no barrier. There are a few hundred at most.
fn comes_before(a: vec4<f32>, b: vec4<f32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let total = min(count[0], params.capacity);
  if (id.x >= total) {
    return;
  }
  let own = candidates[id.x * 2u + 1u];
  var place = 0u;
  for (var i = 0u; i < total; i += 1u) {
    place += select(0u, 1u, comes_before(candidates[i * 2u + 1u], own));
  }
  ranked[place * 2u] = candidates[id.x * 2u];
  ranked[place * 2u + 1u] = own;
}
