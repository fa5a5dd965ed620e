// Third step of TokenSelect: the head soft vote. A candidate's own vote is the sum over all query heads of its probability under the softmax
// of that head's scores over the candidates (arXiv 2411.02886, section 3.2). It takes the largest one of the candidates up to REACH tokens
// away, so that neighbours of what is asked for are selected too. A workgroup makes the own votes of WORKGROUP candidates at once and has
// neighbours for all of them but the REACH first and last.
//#import lib/state
//#import lib/selection

// Of each head: the largest score and 1 / the sum of exponentials.
var<workgroup> softmax: array<vec2<f32>, HEADS>;
var<workgroup> own_votes: array<f32, WORKGROUP>;

const OWN: u32 = WORKGROUP - 2u * REACH;

fn own_vote(layer: u32, token: u32) -> f32 {
  var vote = 0.0;
  for (var head = 0u; head < HEADS; head++) {
    let score = scores[layer * SCORE_STRIDE + head * params.context_length + token];
    vote += exp(score - softmax[head].x) * softmax[head].y;
  }
  return vote;
}

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
  for (var first = INITIAL + workgroup.x * OWN; first < end; first += GROUPS * OWN) {
    // No candidate stands REACH before the first one.
    let place = first + invocation;
    let is_candidate = place >= INITIAL + REACH && place < end + REACH;
    var vote = 0.0;
    if (is_candidate) {
      vote = own_vote(layer, place - REACH);
    }
    own_votes[invocation] = vote;
    workgroupBarrier();
    if (invocation < OWN && place < end) {
      for (var i = 0u; i <= 2u * REACH; i++) {
        vote = max(vote, own_votes[invocation + i]);
      }
      votes[layer * VOTE_STRIDE + place] = vote;
    }
    workgroupBarrier();
  }
}
