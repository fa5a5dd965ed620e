const WORKGROUP: u32 = 256u;
const SPLITS: u32 = 64u;
const TURNS: u32 = 16u;
const HEAD_DIM_VEC4S: u32 = 64u;
struct Params {
  heads: u32,
  output_rows: u32,
  output_row_vec4s: u32,
}
const params = Params(1u, 0u, 0u);
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
  let part_6 = share + 6u * SHARES;
  let at_6 = head * SPLITS + min(part_6, SPLITS - 1u);
  let scale_6 = split_scales[at_6];
  let output_6 = split_outputs[at_6 * HEAD_DIM_VEC4S + quad];
  let part_7 = share + 7u * SHARES;
  let at_7 = head * SPLITS + min(part_7, SPLITS - 1u);
  let scale_7 = split_scales[at_7];
  let output_7 = split_outputs[at_7 * HEAD_DIM_VEC4S + quad];
  let part_8 = share + 8u * SHARES;
  let at_8 = head * SPLITS + min(part_8, SPLITS - 1u);
  let scale_8 = split_scales[at_8];
  let output_8 = split_outputs[at_8 * HEAD_DIM_VEC4S + quad];
  let part_9 = share + 9u * SHARES;
  let at_9 = head * SPLITS + min(part_9, SPLITS - 1u);
  let scale_9 = split_scales[at_9];
  let output_9 = split_outputs[at_9 * HEAD_DIM_VEC4S + quad];
  let part_10 = share + 10u * SHARES;
  let at_10 = head * SPLITS + min(part_10, SPLITS - 1u);
  let scale_10 = split_scales[at_10];
  let output_10 = split_outputs[at_10 * HEAD_DIM_VEC4S + quad];
  let part_11 = share + 11u * SHARES;
  let at_11 = head * SPLITS + min(part_11, SPLITS - 1u);
  let scale_11 = split_scales[at_11];
  let output_11 = split_outputs[at_11 * HEAD_DIM_VEC4S + quad];
  let part_12 = share + 12u * SHARES;
  let at_12 = head * SPLITS + min(part_12, SPLITS - 1u);
  let scale_12 = split_scales[at_12];
  let output_12 = split_outputs[at_12 * HEAD_DIM_VEC4S + quad];
  let part_13 = share + 13u * SHARES;
  let at_13 = head * SPLITS + min(part_13, SPLITS - 1u);
  let scale_13 = split_scales[at_13];
  let output_13 = split_outputs[at_13 * HEAD_DIM_VEC4S + quad];
  let part_14 = share + 14u * SHARES;
  let at_14 = head * SPLITS + min(part_14, SPLITS - 1u);
  let scale_14 = split_scales[at_14];
  let output_14 = split_outputs[at_14 * HEAD_DIM_VEC4S + quad];
  let part_15 = share + 15u * SHARES;
  let at_15 = head * SPLITS + min(part_15, SPLITS - 1u);
  let scale_15 = split_scales[at_15];
  let output_15 = split_outputs[at_15 * HEAD_DIM_VEC4S + quad];
  var largest = -1.0e30;
  largest = max(largest, scale_0.x);
  largest = max(largest, scale_1.x);
  largest = max(largest, scale_2.x);
  largest = max(largest, scale_3.x);
  largest = max(largest, scale_4.x);
  largest = max(largest, scale_5.x);
  largest = max(largest, scale_6.x);
  largest = max(largest, scale_7.x);
  largest = max(largest, scale_8.x);
  largest = max(largest, scale_9.x);
  largest = max(largest, scale_10.x);
  largest = max(largest, scale_11.x);
  largest = max(largest, scale_12.x);
  largest = max(largest, scale_13.x);
  largest = max(largest, scale_14.x);
  largest = max(largest, scale_15.x);
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
  let weight_6 = select(0.0, exp2(scale_6.x - largest), part_6 < SPLITS);
  total += weight_6 * scale_6.y;
  output += weight_6 * output_6;
  let weight_7 = select(0.0, exp2(scale_7.x - largest), part_7 < SPLITS);
  total += weight_7 * scale_7.y;
  output += weight_7 * output_7;
  let weight_8 = select(0.0, exp2(scale_8.x - largest), part_8 < SPLITS);
  total += weight_8 * scale_8.y;
  output += weight_8 * output_8;
  let weight_9 = select(0.0, exp2(scale_9.x - largest), part_9 < SPLITS);
  total += weight_9 * scale_9.y;
  output += weight_9 * output_9;
  let weight_10 = select(0.0, exp2(scale_10.x - largest), part_10 < SPLITS);
  total += weight_10 * scale_10.y;
  output += weight_10 * output_10;
  let weight_11 = select(0.0, exp2(scale_11.x - largest), part_11 < SPLITS);
  total += weight_11 * scale_11.y;
  output += weight_11 * output_11;
  let weight_12 = select(0.0, exp2(scale_12.x - largest), part_12 < SPLITS);
  total += weight_12 * scale_12.y;
  output += weight_12 * output_12;
  let weight_13 = select(0.0, exp2(scale_13.x - largest), part_13 < SPLITS);
  total += weight_13 * scale_13.y;
  output += weight_13 * output_13;
  let weight_14 = select(0.0, exp2(scale_14.x - largest), part_14 < SPLITS);
  total += weight_14 * scale_14.y;
  output += weight_14 * output_14;
  let weight_15 = select(0.0, exp2(scale_15.x - largest), part_15 < SPLITS);
  total += weight_15 * scale_15.y;
  output += weight_15 * output_15;
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
