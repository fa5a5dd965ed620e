// Third step of TokenSelect: the head soft vote. A candidate's vote is the sum over all query heads of its probability under the softmax
// of that head's scores over the candidates (arXiv 2411.02886, section 3.2). An invocation takes a candidate.
//#import lib/state
//#import lib/selection

// Of each head: the largest score and 1 / the sum of exponentials.
var<workgroup> softmax: array<vec2<f32>, HEADS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let end = state.position + state.rows - KEPT;
  let first = INITIAL + workgroup.x * WORKGROUP;
  if (selection.is_due == 0u || first >= end) {
    return;
  }
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    var largest = strips[head * STRIPS].x;
    for (var s = 1u; s < STRIPS; s++) {
      largest = max(largest, strips[head * STRIPS + s].x);
    }
    var total = 0.0;
    for (var s = 0u; s < STRIPS; s++) {
      let strip = strips[head * STRIPS + s];
      total += strip.y * exp(strip.x - largest);
    }
    softmax[head] = vec2<f32>(largest, 1.0 / total);
  }
  workgroupBarrier();
  let token = first + invocation;
  if (token >= end) {
    return;
  }
  var vote = 0.0;
  for (var head = 0u; head < HEADS; head++) {
    vote += exp(scores[head * params.context_length + token] - softmax[head].x) * softmax[head].y;
  }
  votes[token] = vote;
}
