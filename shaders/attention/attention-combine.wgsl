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
//#if gated
  return gates[head];
//#else
  return 1.0;
//#endif
}

//#if summands
//#import lib/head-summand

const PARTS: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> part_outputs: array<vec4<f32>, WORKGROUP>;
var<workgroup> part_totals: array<f32, PARTS>;

// Every PARTS-th split of a head, unnormalized.
fn leave_part(head: u32, part: u32, quad: u32) {
  let first = head * SPLITS;
  var largest = split_scales[first].x;
  for (var s = 1u; s < SPLITS; s++) {
    largest = max(largest, split_scales[first + s].x);
  }
  var total = 0.0;
  var output = vec4<f32>();
  for (var s = part; s < SPLITS; s += PARTS) {
    let scale = split_scales[first + s];
    let weight = exp2(scale.x - largest);
    total += weight * scale.y;
    output += weight * split_outputs[(first + s) * HEAD_DIM_VEC4S + quad];
  }
  part_outputs[part * HEAD_DIM_VEC4S + quad] = output;
  if (quad == 0u) {
    part_totals[part] = total;
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let gate = gate_of(head);
  if (gate == 0.0) {
    write_summand(head, workgroup.y, invocation, 0.0);
    return;
  }
  let columns = bring_columns(head, workgroup.y, invocation);
  let quad = invocation % HEAD_DIM_VEC4S;
  let part = invocation / HEAD_DIM_VEC4S;
  leave_part(head, part, quad);
  workgroupBarrier();
  if (part == 0u) {
    var total = part_totals[0];
    var output = part_outputs[quad];
    for (var p = 1u; p < PARTS; p++) {
      total += part_totals[p];
      output += part_outputs[p * HEAD_DIM_VEC4S + quad];
    }
    head_output[quad] = output * (gate / total);
  }
  workgroupBarrier();
  leave_summand(head, workgroup.y, columns, invocation);
}
//#else
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
//#endif
