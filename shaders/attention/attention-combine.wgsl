// out[head] = Σ_s 2^(max_s − max) · output_s / Σ_s 2^(max_s − max) · sum_s over the parts of attention-split. A workgroup makes a head: its
// invocations share four components at a time and the parts. gated: times the head's gate.
// summands: a head leaves what it adds to the output projection instead (lib/head-summand).

//#if summands
//#import lib/head-summand
//#endif

// Invocations of the same four components.
const SHARES: u32 = WORKGROUP / HEAD_DIM_VEC4S;

var<workgroup> share_outputs: array<vec4<f32>, SHARES * HEAD_DIM_VEC4S>;
var<workgroup> share_scales: array<vec2<f32>, SHARES>;

// Every SHARES-th part of a head, unnormalized. All of them are on their way before the first one is used; past the end the last one is
// repeated, and weighs nothing.
fn leave_share(head: u32, share: u32, quad: u32) {
//#repeat T TURNS
  let part_T = share + T * SHARES;
  let at_T = head * SPLITS + min(part_T, SPLITS - 1u);
  let scale_T = split_scales[at_T];
  let output_T = split_outputs[at_T * HEAD_DIM_VEC4S + quad];
//#endrepeat
  var largest = -1.0e30;
//#repeat T TURNS
  largest = max(largest, scale_T.x);
//#endrepeat
  var total = 0.0;
  var output = vec4<f32>();
//#repeat T TURNS
  let weight_T = select(0.0, exp2(scale_T.x - largest), part_T < SPLITS);
  total += weight_T * scale_T.y;
  output += weight_T * output_T;
//#endrepeat
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
//#if gated
  return gates[head];
//#else
  return 1.0;
//#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let quad = invocation % HEAD_DIM_VEC4S;
  let share = invocation / HEAD_DIM_VEC4S;
  let gate = gate_of(head);
  if (gate == 0.0) {
    // There may be no parts.
//#if summands
    write_summand(head, workgroup.y, invocation, 0.0);
//#else
    if (share == 0u) {
      out[head * HEAD_DIM_VEC4S + quad] = vec4<f32>();
    }
//#endif
    return;
  }
//#if summands
  let columns = bring_columns(head, workgroup.y, invocation);
//#endif
  if (share < SHARES) {
    leave_share(head, share, quad);
  }
  workgroupBarrier();
  if (share == 0u) {
    let output = gate * combined(quad);
//#if summands
    head_output[quad] = output;
//#else
    out[head * HEAD_DIM_VEC4S + quad] = output;
//#endif
  }
//#if summands
  workgroupBarrier();
  leave_summand(head, workgroup.y, columns, invocation);
//#endif
}
