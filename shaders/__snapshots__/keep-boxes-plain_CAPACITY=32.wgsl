const CAPACITY: u32 = 32u;
struct Params {
  limit: u32,
}
const params = Params(10u);
@group(0) @binding(0) var<storage, read_write> count: array<u32>;
@group(0) @binding(1) var<storage, read> ranked: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> overlaps: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<vec4<f32>>;
// Greedy suppression over the overlap bits: a candidate stays unless a better one that stays hides it. One invocation: each step needs the
// one before it, and there are few. Leaves the counter at zero for the next frame.
// result: (kept, found, 0, 0), then two vectors a box as candidates have them, best first.
var<private> hidden: array<u32, CAPACITY / 32>;

@compute @workgroup_size(1)
fn main() {
  let found = count[0];
  let total = min(found, CAPACITY);
  var kept = 0u;
  for (var i = 0u; i < total; i += 1u) {
    if (((hidden[i / 32u] >> (i % 32u)) & 1u) == 1u) {
      continue;
    }
    if (kept >= params.limit) {
      break;
    }
    result[1u + kept * 2u] = ranked[i * 2u];
    result[2u + kept * 2u] = ranked[i * 2u + 1u];
    kept += 1u;
    for (var word = i / 32u; word < (total + 31u) / 32u; word += 1u) {
      hidden[word] |= overlaps[i * (CAPACITY / 32u) + word];
    }
  }
  result[0] = vec4<f32>(f32(kept), f32(found), 0.0, 0.0);
  count[0] = 0u;
}
