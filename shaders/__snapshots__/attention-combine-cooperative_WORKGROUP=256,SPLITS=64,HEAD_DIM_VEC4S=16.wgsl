const WORKGROUP: u32 = 256u;
const SPLITS: u32 = 64u;
const HEAD_DIM_VEC4S: u32 = 16u;
struct Params {
  heads: u32,
  context_length: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(9u, 0u, 0u, 0u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. A workgroup makes a head: its
// invocations share four components at a time and the parts. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).
// projects: workgroups past the heads put the newest token into ragged caches, which attention-split left behind the parts.



// Invocations of the same four components.
const SHARES: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> share_outputs: array<vec4<f32>, SHARES * HEAD_DIM_VEC4S>;
var<workgroup> share_totals: array<f32, SHARES>;

// Every SHARES-th part of a head, unnormalized.
fn leave_share(head: u32, share: u32, quad: u32) {
  let first = head * SPLITS;
  var largest = split_scales[first].x;
  for (var s = 1u; s < SPLITS; s++) {
    largest = max(largest, split_scales[first + s].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var s = share; s < SPLITS; s += SHARES) {
    let scale = split_scales[first + s];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * split_outputs[(first + s) * HEAD_DIM_VEC4S + quad];
  }
  share_outputs[share * HEAD_DIM_VEC4S + quad] = output;
  if (quad == 0u) {
    share_totals[share] = total;
  }
}

// Four components of the head, of what all shares left.
fn combined(quad: u32) -> vec4<f32> {
  var total = share_totals[0];
  var output = share_outputs[quad];
  for (var i = 1u; i < SHARES; i++) {
    total += share_totals[i];
    output += share_outputs[i * HEAD_DIM_VEC4S + quad];
  }
  return output / total;
}

fn gate_of(head: u32) -> f32 {
  return 1.0;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let quad = invocation % HEAD_DIM_VEC4S;
  let share = invocation / HEAD_DIM_VEC4S;
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
    if (share == 0u) {
      out[head * HEAD_DIM_VEC4S + quad] = vec4<f32>();
    }
    return;
  }
  if (share < SHARES) {
    leave_share(head, share, quad);
  }
  workgroupBarrier();
  if (share == 0u) {
    let output = gate * combined(quad);
    out[head * HEAD_DIM_VEC4S + quad] = output;
  }
}
