const WORKGROUP: u32 = 16u;
const RUN: u32 = 44u;
struct Params {
  heads: u32,
}
const params = Params(5u);
@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> head_rows: array<u32>;
// What a step knows about its tokens. It lives on the GPU, so that decoding needs no word from the host.
struct State {
  // Position in the context of the first row of this pass.
  position: u32,
  // Rows (tokens) of this pass.
  rows: u32,
  // Steps sampled since the generation began: the counter of the random numbers.
  step: u32,
  // 1 where the pass goes on from the sampled token, 0 where the host wrote the tokens.
  continues: u32,
  tokens: array<u32>,
}
// Inclusive prefix sums over a workgroup (Hillis & Steele 1986). Called once: the results stay in workgroup memory.
var<workgroup> sums: array<u32, WORKGROUP>;

fn inclusive_sum(own: u32, invocation: u32) -> u32 {
  sums[invocation] = own;
  workgroupBarrier();
  for (var step = 1u; step < WORKGROUP; step *= 2u) {
    var before = 0u;
    if (invocation >= step) {
      before = sums[invocation - step];
    }
    workgroupBarrier();
    sums[invocation] += before;
    workgroupBarrier();
  }
  return sums[invocation];
}
// The tokens of a pass in an order of each head's own: those that have the head on, then the others, both as they come. How many tokens have
// each head on comes first, then each head's tokens. With it attention makes full tiles of a head's tokens. A workgroup takes a head, an
// invocation RUN tokens, whose gates are on their way together.

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
  let head = workgroup.x;
  let first = invocation * RUN;
  let is_on_0 = (first + 0u < state.rows) & (gates[min(first + 0u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_1 = (first + 1u < state.rows) & (gates[min(first + 1u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_2 = (first + 2u < state.rows) & (gates[min(first + 2u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_3 = (first + 3u < state.rows) & (gates[min(first + 3u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_4 = (first + 4u < state.rows) & (gates[min(first + 4u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_5 = (first + 5u < state.rows) & (gates[min(first + 5u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_6 = (first + 6u < state.rows) & (gates[min(first + 6u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_7 = (first + 7u < state.rows) & (gates[min(first + 7u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_8 = (first + 8u < state.rows) & (gates[min(first + 8u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_9 = (first + 9u < state.rows) & (gates[min(first + 9u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_10 = (first + 10u < state.rows) & (gates[min(first + 10u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_11 = (first + 11u < state.rows) & (gates[min(first + 11u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_12 = (first + 12u < state.rows) & (gates[min(first + 12u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_13 = (first + 13u < state.rows) & (gates[min(first + 13u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_14 = (first + 14u < state.rows) & (gates[min(first + 14u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_15 = (first + 15u < state.rows) & (gates[min(first + 15u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_16 = (first + 16u < state.rows) & (gates[min(first + 16u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_17 = (first + 17u < state.rows) & (gates[min(first + 17u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_18 = (first + 18u < state.rows) & (gates[min(first + 18u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_19 = (first + 19u < state.rows) & (gates[min(first + 19u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_20 = (first + 20u < state.rows) & (gates[min(first + 20u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_21 = (first + 21u < state.rows) & (gates[min(first + 21u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_22 = (first + 22u < state.rows) & (gates[min(first + 22u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_23 = (first + 23u < state.rows) & (gates[min(first + 23u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_24 = (first + 24u < state.rows) & (gates[min(first + 24u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_25 = (first + 25u < state.rows) & (gates[min(first + 25u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_26 = (first + 26u < state.rows) & (gates[min(first + 26u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_27 = (first + 27u < state.rows) & (gates[min(first + 27u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_28 = (first + 28u < state.rows) & (gates[min(first + 28u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_29 = (first + 29u < state.rows) & (gates[min(first + 29u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_30 = (first + 30u < state.rows) & (gates[min(first + 30u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_31 = (first + 31u < state.rows) & (gates[min(first + 31u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_32 = (first + 32u < state.rows) & (gates[min(first + 32u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_33 = (first + 33u < state.rows) & (gates[min(first + 33u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_34 = (first + 34u < state.rows) & (gates[min(first + 34u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_35 = (first + 35u < state.rows) & (gates[min(first + 35u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_36 = (first + 36u < state.rows) & (gates[min(first + 36u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_37 = (first + 37u < state.rows) & (gates[min(first + 37u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_38 = (first + 38u < state.rows) & (gates[min(first + 38u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_39 = (first + 39u < state.rows) & (gates[min(first + 39u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_40 = (first + 40u < state.rows) & (gates[min(first + 40u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_41 = (first + 41u < state.rows) & (gates[min(first + 41u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_42 = (first + 42u < state.rows) & (gates[min(first + 42u, state.rows - 1u) * params.heads + head] != 0.0);
  let is_on_43 = (first + 43u < state.rows) & (gates[min(first + 43u, state.rows - 1u) * params.heads + head] != 0.0);
  var own = 0u;
  own += u32(is_on_0);
  own += u32(is_on_1);
  own += u32(is_on_2);
  own += u32(is_on_3);
  own += u32(is_on_4);
  own += u32(is_on_5);
  own += u32(is_on_6);
  own += u32(is_on_7);
  own += u32(is_on_8);
  own += u32(is_on_9);
  own += u32(is_on_10);
  own += u32(is_on_11);
  own += u32(is_on_12);
  own += u32(is_on_13);
  own += u32(is_on_14);
  own += u32(is_on_15);
  own += u32(is_on_16);
  own += u32(is_on_17);
  own += u32(is_on_18);
  own += u32(is_on_19);
  own += u32(is_on_20);
  own += u32(is_on_21);
  own += u32(is_on_22);
  own += u32(is_on_23);
  own += u32(is_on_24);
  own += u32(is_on_25);
  own += u32(is_on_26);
  own += u32(is_on_27);
  own += u32(is_on_28);
  own += u32(is_on_29);
  own += u32(is_on_30);
  own += u32(is_on_31);
  own += u32(is_on_32);
  own += u32(is_on_33);
  own += u32(is_on_34);
  own += u32(is_on_35);
  own += u32(is_on_36);
  own += u32(is_on_37);
  own += u32(is_on_38);
  own += u32(is_on_39);
  own += u32(is_on_40);
  own += u32(is_on_41);
  own += u32(is_on_42);
  own += u32(is_on_43);
  var on_before = inclusive_sum(own, invocation) - own;
  let on = sums[WORKGROUP - 1u];
  if (invocation == 0u) {
    head_rows[head] = on;
  }
  let base = params.heads + head * state.rows;
  if (first + 0u < state.rows) {
    head_rows[base + select(on + first + 0u - on_before, on_before, is_on_0)] = first + 0u;
  }
  on_before += u32(is_on_0);
  if (first + 1u < state.rows) {
    head_rows[base + select(on + first + 1u - on_before, on_before, is_on_1)] = first + 1u;
  }
  on_before += u32(is_on_1);
  if (first + 2u < state.rows) {
    head_rows[base + select(on + first + 2u - on_before, on_before, is_on_2)] = first + 2u;
  }
  on_before += u32(is_on_2);
  if (first + 3u < state.rows) {
    head_rows[base + select(on + first + 3u - on_before, on_before, is_on_3)] = first + 3u;
  }
  on_before += u32(is_on_3);
  if (first + 4u < state.rows) {
    head_rows[base + select(on + first + 4u - on_before, on_before, is_on_4)] = first + 4u;
  }
  on_before += u32(is_on_4);
  if (first + 5u < state.rows) {
    head_rows[base + select(on + first + 5u - on_before, on_before, is_on_5)] = first + 5u;
  }
  on_before += u32(is_on_5);
  if (first + 6u < state.rows) {
    head_rows[base + select(on + first + 6u - on_before, on_before, is_on_6)] = first + 6u;
  }
  on_before += u32(is_on_6);
  if (first + 7u < state.rows) {
    head_rows[base + select(on + first + 7u - on_before, on_before, is_on_7)] = first + 7u;
  }
  on_before += u32(is_on_7);
  if (first + 8u < state.rows) {
    head_rows[base + select(on + first + 8u - on_before, on_before, is_on_8)] = first + 8u;
  }
  on_before += u32(is_on_8);
  if (first + 9u < state.rows) {
    head_rows[base + select(on + first + 9u - on_before, on_before, is_on_9)] = first + 9u;
  }
  on_before += u32(is_on_9);
  if (first + 10u < state.rows) {
    head_rows[base + select(on + first + 10u - on_before, on_before, is_on_10)] = first + 10u;
  }
  on_before += u32(is_on_10);
  if (first + 11u < state.rows) {
    head_rows[base + select(on + first + 11u - on_before, on_before, is_on_11)] = first + 11u;
  }
  on_before += u32(is_on_11);
  if (first + 12u < state.rows) {
    head_rows[base + select(on + first + 12u - on_before, on_before, is_on_12)] = first + 12u;
  }
  on_before += u32(is_on_12);
  if (first + 13u < state.rows) {
    head_rows[base + select(on + first + 13u - on_before, on_before, is_on_13)] = first + 13u;
  }
  on_before += u32(is_on_13);
  if (first + 14u < state.rows) {
    head_rows[base + select(on + first + 14u - on_before, on_before, is_on_14)] = first + 14u;
  }
  on_before += u32(is_on_14);
  if (first + 15u < state.rows) {
    head_rows[base + select(on + first + 15u - on_before, on_before, is_on_15)] = first + 15u;
  }
  on_before += u32(is_on_15);
  if (first + 16u < state.rows) {
    head_rows[base + select(on + first + 16u - on_before, on_before, is_on_16)] = first + 16u;
  }
  on_before += u32(is_on_16);
  if (first + 17u < state.rows) {
    head_rows[base + select(on + first + 17u - on_before, on_before, is_on_17)] = first + 17u;
  }
  on_before += u32(is_on_17);
  if (first + 18u < state.rows) {
    head_rows[base + select(on + first + 18u - on_before, on_before, is_on_18)] = first + 18u;
  }
  on_before += u32(is_on_18);
  if (first + 19u < state.rows) {
    head_rows[base + select(on + first + 19u - on_before, on_before, is_on_19)] = first + 19u;
  }
  on_before += u32(is_on_19);
  if (first + 20u < state.rows) {
    head_rows[base + select(on + first + 20u - on_before, on_before, is_on_20)] = first + 20u;
  }
  on_before += u32(is_on_20);
  if (first + 21u < state.rows) {
    head_rows[base + select(on + first + 21u - on_before, on_before, is_on_21)] = first + 21u;
  }
  on_before += u32(is_on_21);
  if (first + 22u < state.rows) {
    head_rows[base + select(on + first + 22u - on_before, on_before, is_on_22)] = first + 22u;
  }
  on_before += u32(is_on_22);
  if (first + 23u < state.rows) {
    head_rows[base + select(on + first + 23u - on_before, on_before, is_on_23)] = first + 23u;
  }
  on_before += u32(is_on_23);
  if (first + 24u < state.rows) {
    head_rows[base + select(on + first + 24u - on_before, on_before, is_on_24)] = first + 24u;
  }
  on_before += u32(is_on_24);
  if (first + 25u < state.rows) {
    head_rows[base + select(on + first + 25u - on_before, on_before, is_on_25)] = first + 25u;
  }
  on_before += u32(is_on_25);
  if (first + 26u < state.rows) {
    head_rows[base + select(on + first + 26u - on_before, on_before, is_on_26)] = first + 26u;
  }
  on_before += u32(is_on_26);
  if (first + 27u < state.rows) {
    head_rows[base + select(on + first + 27u - on_before, on_before, is_on_27)] = first + 27u;
  }
  on_before += u32(is_on_27);
  if (first + 28u < state.rows) {
    head_rows[base + select(on + first + 28u - on_before, on_before, is_on_28)] = first + 28u;
  }
  on_before += u32(is_on_28);
  if (first + 29u < state.rows) {
    head_rows[base + select(on + first + 29u - on_before, on_before, is_on_29)] = first + 29u;
  }
  on_before += u32(is_on_29);
  if (first + 30u < state.rows) {
    head_rows[base + select(on + first + 30u - on_before, on_before, is_on_30)] = first + 30u;
  }
  on_before += u32(is_on_30);
  if (first + 31u < state.rows) {
    head_rows[base + select(on + first + 31u - on_before, on_before, is_on_31)] = first + 31u;
  }
  on_before += u32(is_on_31);
  if (first + 32u < state.rows) {
    head_rows[base + select(on + first + 32u - on_before, on_before, is_on_32)] = first + 32u;
  }
  on_before += u32(is_on_32);
  if (first + 33u < state.rows) {
    head_rows[base + select(on + first + 33u - on_before, on_before, is_on_33)] = first + 33u;
  }
  on_before += u32(is_on_33);
  if (first + 34u < state.rows) {
    head_rows[base + select(on + first + 34u - on_before, on_before, is_on_34)] = first + 34u;
  }
  on_before += u32(is_on_34);
  if (first + 35u < state.rows) {
    head_rows[base + select(on + first + 35u - on_before, on_before, is_on_35)] = first + 35u;
  }
  on_before += u32(is_on_35);
  if (first + 36u < state.rows) {
    head_rows[base + select(on + first + 36u - on_before, on_before, is_on_36)] = first + 36u;
  }
  on_before += u32(is_on_36);
  if (first + 37u < state.rows) {
    head_rows[base + select(on + first + 37u - on_before, on_before, is_on_37)] = first + 37u;
  }
  on_before += u32(is_on_37);
  if (first + 38u < state.rows) {
    head_rows[base + select(on + first + 38u - on_before, on_before, is_on_38)] = first + 38u;
  }
  on_before += u32(is_on_38);
  if (first + 39u < state.rows) {
    head_rows[base + select(on + first + 39u - on_before, on_before, is_on_39)] = first + 39u;
  }
  on_before += u32(is_on_39);
  if (first + 40u < state.rows) {
    head_rows[base + select(on + first + 40u - on_before, on_before, is_on_40)] = first + 40u;
  }
  on_before += u32(is_on_40);
  if (first + 41u < state.rows) {
    head_rows[base + select(on + first + 41u - on_before, on_before, is_on_41)] = first + 41u;
  }
  on_before += u32(is_on_41);
  if (first + 42u < state.rows) {
    head_rows[base + select(on + first + 42u - on_before, on_before, is_on_42)] = first + 42u;
  }
  on_before += u32(is_on_42);
  if (first + 43u < state.rows) {
    head_rows[base + select(on + first + 43u - on_before, on_before, is_on_43)] = first + 43u;
  }
  on_before += u32(is_on_43);
}
