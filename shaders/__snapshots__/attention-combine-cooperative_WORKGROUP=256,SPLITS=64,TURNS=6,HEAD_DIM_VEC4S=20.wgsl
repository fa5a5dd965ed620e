const WORKGROUP: u32 = 256u;
const SPLITS: u32 = 64u;
const TURNS: u32 = 6u;
const HEAD_DIM_VEC4S: u32 = 20u;
struct Params {
  heads: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(3u, 0u, 0u);
@group(0) @binding(0) var<storage, read> split_outputs: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> split_scales: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. A workgroup makes a head: its
// invocations share four components at a time and the parts. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).


// Invocations of the same four components.
const SHARES: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> share_outputs: array<vec4<f32>, SHARES * HEAD_DIM_VEC4S>;
var<workgroup> share_scales: array<vec2<f32>, SHARES>;

// Every SHARES-th part of a head, unnormalized. All of them are on their way before the first one is used; past the end the last one is
// repeated, and weighs nothing.
fn leave_share(head: u32, share: u32, quad: u32) {
  let part_0 = share + 0u * SHARES;
  let at_0 = head * SPLITS + min(part_0, SPLITS - 1u);
  let scale_0 = split_scales[at_0];
  let output_0 = split_outputs[at_0 * HEAD_DIM_VEC4S + quad];
  let part_1 = share + 1u * SHARES;
  let at_1 = head * SPLITS + min(part_1, SPLITS - 1u);
  let scale_1 = split_scales[at_1];
  let output_1 = split_outputs[at_1 * HEAD_DIM_VEC4S + quad];
  let part_2 = share + 2u * SHARES;
  let at_2 = head * SPLITS + min(part_2, SPLITS - 1u);
  let scale_2 = split_scales[at_2];
  let output_2 = split_outputs[at_2 * HEAD_DIM_VEC4S + quad];
  let part_3 = share + 3u * SHARES;
  let at_3 = head * SPLITS + min(part_3, SPLITS - 1u);
  let scale_3 = split_scales[at_3];
  let output_3 = split_outputs[at_3 * HEAD_DIM_VEC4S + quad];
  let part_4 = share + 4u * SHARES;
  let at_4 = head * SPLITS + min(part_4, SPLITS - 1u);
  let scale_4 = split_scales[at_4];
  let output_4 = split_outputs[at_4 * HEAD_DIM_VEC4S + quad];
  let part_5 = share + 5u * SHARES;
  let at_5 = head * SPLITS + min(part_5, SPLITS - 1u);
  let scale_5 = split_scales[at_5];
  let output_5 = split_outputs[at_5 * HEAD_DIM_VEC4S + quad];
  var largest = -1.0e30;
  largest = max(largest, scale_0.x);
  largest = max(largest, scale_1.x);
  largest = max(largest, scale_2.x);
  largest = max(largest, scale_3.x);
  largest = max(largest, scale_4.x);
  largest = max(largest, scale_5.x);
  var total = 0.0;
  var output = vec4<f32>();
  let weight_0 = select(0.0, exp2(scale_0.x - largest), part_0 < SPLITS);
  total += weight_0 * scale_0.y;
  output += weight_0 * output_0;
  let weight_1 = select(0.0, exp2(scale_1.x - largest), part_1 < SPLITS);
  total += weight_1 * scale_1.y;
  output += weight_1 * output_1;
  let weight_2 = select(0.0, exp2(scale_2.x - largest), part_2 < SPLITS);
  total += weight_2 * scale_2.y;
  output += weight_2 * output_2;
  let weight_3 = select(0.0, exp2(scale_3.x - largest), part_3 < SPLITS);
  total += weight_3 * scale_3.y;
  output += weight_3 * output_3;
  let weight_4 = select(0.0, exp2(scale_4.x - largest), part_4 < SPLITS);
  total += weight_4 * scale_4.y;
  output += weight_4 * output_4;
  let weight_5 = select(0.0, exp2(scale_5.x - largest), part_5 < SPLITS);
  total += weight_5 * scale_5.y;
  output += weight_5 * output_5;
  share_outputs[share * HEAD_DIM_VEC4S + quad] = output;
  if (quad == 0u) {
    share_scales[share] = vec2<f32>(largest, total);
  }
}

// Four components of the head, of what all shares left.
fn combined(quad: u32) -> vec4<f32> {
  var largest = share_scales[0].x;
  for (var i = 1u; i < SHARES; i++) {
    largest = max(largest, share_scales[i].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var i = 0u; i < SHARES; i++) {
    let scale = share_scales[i];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * share_outputs[i * HEAD_DIM_VEC4S + quad];
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
