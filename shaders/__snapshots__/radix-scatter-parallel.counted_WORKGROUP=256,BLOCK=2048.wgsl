const WORKGROUP: u32 = 256u;
const BLOCK: u32 = 2048u;
struct Params {
  capacity: u32,
  blocks: u32,
  shift: u32,
}
const params = Params(6000u, 3u, 8u);
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> keys_in: array<u32>;
@group(0) @binding(3) var<storage, read> values_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> keys_out: array<u32>;
@group(0) @binding(5) var<storage, read_write> values_out: array<u32>;
// Workgroup counts past the limit of one dimension spill into the second.
fn linear_workgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
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
// Moves keys and values to where the scanned counts [16 digits, blocks] say, keeping the order of equal digits: the last step
// of a pass of LSD radix sort. first: values are the keys' own indices. counted: nobody scanned the counts, and each workgroup sums
// those before its own.

fn value_at(at: u32) -> u32 {
  return values_in[at];
}

const ITEMS: u32 = BLOCK / WORKGROUP;
// [8 digits, invocations]: digits 0 to 7 in the low halves, 8 to 15 in the high ones. A block has at most 2,048 keys.
var<workgroup> tallies: array<u32, 8u * WORKGROUP>;
var<workgroup> starts: array<u32, 8>;
const SHARES: u32 = WORKGROUP / 16u;
// [16 digits, SHARES]: keys of a digit in a share of the blocks, and those of them in blocks before this one.
var<workgroup> shares: array<vec2<u32>, WORKGROUP>;
var<workgroup> digits: array<vec2<u32>, 16>;

fn count_shares(block: u32, blocks: u32, invocation: u32) {
  let row = invocation / SHARES * params.blocks;
  var share = vec2(0u);
  for (var at = invocation % SHARES; at < blocks; at += SHARES) {
    let count = offsets[row + at];
    share += vec2(count, select(0u, count, at < block));
  }
  shares[invocation] = share;
}

fn sum_shares(digit: u32) {
  var sum = vec2(0u);
  for (var i = 0u; i < SHARES; i += 1u) {
    sum += shares[digit * SHARES + i];
  }
  digits[digit] = sum;
}
// Where the keys of each digit of the block go.
var<workgroup> places: array<u32, 16>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let keys_in_use = min(total[0], params.capacity);
  let block = linear_workgroup(workgroup, workgroups);
  if (block * BLOCK >= keys_in_use) {
    return;
  }
  for (var row = 0u; row < 8u; row += 1u) {
    tallies[row * WORKGROUP + invocation] = 0u;
  }
  let begin = block * BLOCK + invocation * ITEMS;
  var own: array<u32, ITEMS>;
  for (var item = 0u; item < ITEMS; item += 1u) {
    if (begin + item < keys_in_use) {
      own[item] = keys_in[begin + item];
      let digit = (own[item] >> params.shift) & 15u;
      tallies[(digit & 7u) * WORKGROUP + invocation] += 1u << ((digit >> 3u) * 16u);
    }
  }
  count_shares(block, (keys_in_use + BLOCK - 1u) / BLOCK, invocation);
  workgroupBarrier();
  if (invocation < 16u) {
    sum_shares(invocation);
  }
  // An exclusive scan over all rows; a row's first entry is taken off again below.
  var run = 0u;
  for (var i = 0u; i < 8u; i += 1u) {
    run += tallies[invocation * 8u + i];
  }
  var before = inclusive_sum(run, invocation) - run;
  for (var i = 0u; i < 8u; i += 1u) {
    let count = tallies[invocation * 8u + i];
    tallies[invocation * 8u + i] = before;
    before += count;
  }
  workgroupBarrier();
  if (invocation < 8u) {
    starts[invocation] = tallies[invocation * WORKGROUP];
  }
  if (invocation < 16u) {
    var place = digits[invocation].y;
    for (var lower = 0u; lower < invocation; lower += 1u) {
      place += digits[lower].x;
    }
    places[invocation] = place;
  }
  workgroupBarrier();
  for (var item = 0u; item < ITEMS; item += 1u) {
    let at = begin + item;
    if (at < keys_in_use) {
      let digit = (own[item] >> params.shift) & 15u;
      let row = digit & 7u;
      let half = (digit >> 3u) * 16u;
      let tally = tallies[row * WORKGROUP + invocation];
      let rank = ((tally >> half) & 0xffffu) - ((starts[row] >> half) & 0xffffu);
      tallies[row * WORKGROUP + invocation] = tally + (1u << half);
      let target_at = places[digit] + rank;
      keys_out[target_at] = own[item];
      values_out[target_at] = value_at(at);
    }
  }
}
