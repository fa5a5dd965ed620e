const HEADS: u32 = 32u;
const SHARED: u32 = 16u;
const ACTIVE: u32 = 8u;
const HEAD_DIM_VEC4S: u32 = 32u;

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
// Gates of a token's query heads by the lengths of their queries, for Mixture-of-Head attention without a router's weights
// (arXiv 2410.11842, section 4.3): the SHARED heads are on, and of the others the ACTIVE with the longest queries; of equal ones the first.
// A rotation keeps lengths, so queries may be rotated. A workgroup has a token, an invocation a head.
var<workgroup> squares: array<f32, HEADS>;

@compute @workgroup_size(HEADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) h: u32) {
  let at = workgroup.x * HEADS + h;
  var own = 0.0;
  for (var i = 0u; i < HEAD_DIM_VEC4S; i++) {
    let part = queries[at * HEAD_DIM_VEC4S + i];
    own += dot(part, part);
  }
  squares[h] = own;
  workgroupBarrier();
  var better = 0u;
  for (var other = SHARED; other < HEADS; other++) {
    let its = squares[other];
    better += u32(its > own || (its == own && other < h));
  }
  gates[at] = f32(h < SHARED || better < ACTIVE);
}
