// Third step of TokenSelect: the head soft vote. A candidate's vote is the sum over all query heads of its probability under the softmax
// of that head's scores over the candidates (arXiv 2411.02886, section 3.2). An invocation takes every GROUPS · WORKGROUP-th candidate.
//#import lib/state
//#import lib/selection

// Of each head: the largest score and 1 / the sum of exponentials.
var<workgroup> softmax: array<vec2<f32>, HEADS>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let layer = workgroup.z;
  if (selections[layer].is_due == 0u) {
    return;
  }
  let own_strips = layer * STRIP_STRIDE;
  for (var head = invocation; head < HEADS; head += WORKGROUP) {
    let first = own_strips + head * STRIPS;
    var largest = strips[first].x;
    for (var s = 1u; s < STRIPS; s++) {
      largest = max(largest, strips[first + s].x);
    }
    var total = 0.0;
    for (var s = 0u; s < STRIPS; s++) {
      let strip = strips[first + s];
      total += strip.y * exp(strip.x - largest);
    }
    softmax[head] = vec2<f32>(largest, 1.0 / total);
  }
  workgroupBarrier();
  let end = state.position + state.rows - KEPT;
  for (var token = INITIAL + workgroup.x * WORKGROUP + invocation; token < end; token += GROUPS * WORKGROUP) {
    var vote = 0.0;
    for (var head = 0u; head < HEADS; head++) {
      let score = scores[layer * SCORE_STRIDE + head * params.context_length + token];
      vote += exp(score - softmax[head].x) * softmax[head].y;
    }
    votes[layer * VOTE_STRIDE + token] = vote;
  }
}
