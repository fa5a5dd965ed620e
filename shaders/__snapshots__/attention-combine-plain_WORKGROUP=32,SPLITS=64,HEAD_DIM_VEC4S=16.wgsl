const WORKGROUP: u32 = 32u;
const SPLITS: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
struct Params {
  heads: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(9u, 0u, 0u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. An invocation makes
// four components of one head. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).

// Four components of what the parts of a head come to.
fn combined(head: u32, quad: u32) -> vec4<f32> {
  let first = head * SPLITS;
  var largest = split_scales[first].x;
  for (var s = 1u; s < SPLITS; s++) {
    largest = max(largest, split_scales[first + s].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var s = 0u; s < SPLITS; s++) {
    let scale = split_scales[first + s];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * split_outputs[(first + s) * HEAD_DIM_VEC4S + quad];
  }
  return output / total;
}

fn gate_of(head: u32) -> f32 {
  return 1.0;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let head = id.x / HEAD_DIM_VEC4S;
  let quad = id.x % HEAD_DIM_VEC4S;
  if (head >= params.heads) {
    return;
  }
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
    out[head * HEAD_DIM_VEC4S + quad] = vec4<f32>();
    return;
  }
  out[head * HEAD_DIM_VEC4S + quad] = gate * combined(head, quad);
}
