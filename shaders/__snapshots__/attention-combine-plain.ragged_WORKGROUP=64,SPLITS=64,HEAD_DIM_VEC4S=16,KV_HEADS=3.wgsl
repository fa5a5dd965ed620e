const WORKGROUP: u32 = 64u;
const SPLITS: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
const KV_HEADS: u32 = 3u;
struct Params {
  heads: u32,
  kv_heads: u32,
  group_size: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(9u, 3u, 3u, 0u, 0u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> basis: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> head_widths: array<vec4<u32>, KV_HEADS>;
// Orthogonal bases of MatryoshkaKV (arXiv 2410.14731): for each KV head HEAD_DIM basis vectors, most important first, of keys and then of
// values, in halves.

// Components 4 quad to 4 quad + 3 of vector j.
fn basis_quad(kv_head: u32, j: u32, quad: u32) -> vec4<f32> {
  let halves = basis[(kv_head * HEAD_DIM_VEC4S * 4u + j) * HEAD_DIM_VEC4S + quad];
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// What components 4 i to 4 i + 3 contribute to coefficients 4 quad to 4 quad + 3.
fn projected(kv_head: u32, given: vec4<f32>, i: u32, quad: u32) -> vec4<f32> {
  return vec4<f32>(
    dot(given, basis_quad(kv_head, quad * 4u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 1u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 2u, i)),
    dot(given, basis_quad(kv_head, quad * 4u + 3u, i)),
  );
}

// What four coefficients, of vectors 4 j to 4 j + 3, contribute to components 4 quad to 4 quad + 3.
fn unprojected(kv_head: u32, coefficients: vec4<f32>, j: u32, quad: u32) -> vec4<f32> {
  return coefficients.x * basis_quad(kv_head, j * 4u, quad) + coefficients.y * basis_quad(kv_head, j * 4u + 1u, quad)
    + coefficients.z * basis_quad(kv_head, j * 4u + 2u, quad) + coefficients.w * basis_quad(kv_head, j * 4u + 3u, quad);
}
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. An invocation makes
// four components of one head. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand); a workgroup makes a head.
// ragged: the parts are of coefficients, which become components of the head as in kv-unproject; a workgroup makes a head.

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


const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> coefficients: array<vec4<f32>, HEAD_DIM_VEC4S>;
var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let kv_head = head / params.group_size;
  let quad = invocation % HEAD_DIM_VEC4S;
  let part = invocation / HEAD_DIM_VEC4S;
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
    if (part == 0u) {
      out[head * HEAD_DIM_VEC4S + quad] = vec4<f32>();
    }
    return;
  }
  if (part == 0u) {
    coefficients[quad] = combined(head, quad);
  }
  workgroupBarrier();
  var sum = vec4<f32>();
  for (var j = part; j < head_widths[kv_head].w / 4u; j += PARTS) {
    sum += unprojected(params.kv_heads + kv_head, coefficients[j], j, quad);
  }
  partial[invocation] = sum;
  workgroupBarrier();
  if (part == 0u) {
    for (var p = 1u; p < PARTS; p++) {
      sum += partial[p * HEAD_DIM_VEC4S + quad];
    }
    out[head * HEAD_DIM_VEC4S + quad] = gate * (sum + mean[kv_head * HEAD_DIM_VEC4S + quad]);
  }
}
