// Moves keys and values to where the scanned counts [16 digits, blocks] say, keeping the order of equal digits: the last step
// of a pass of LSD radix sort. first: values are the keys' own indices. counted: nobody scanned the counts, and each workgroup sums
// those before its own.
//#import lib/grid
//#import lib/workgroup-scan

fn value_at(at: u32) -> u32 {
//#if first
  return at;
//#else
  return values_in[at];
//#endif
}

//#if parallel
const ITEMS: u32 = BLOCK / WORKGROUP;
// [8 digits, invocations]: digits 0 to 7 in the low halves, 8 to 15 in the high ones. A block has at most 2,048 keys.
var<workgroup> tallies: array<u32, 8u * WORKGROUP>;
var<workgroup> starts: array<u32, 8>;
//#if counted
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
//#endif
// Where the keys of each digit of the block go.
var<workgroup> places: array<u32, 16>;
//#endif

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) invocation: u32,
) {
  let keys_in_use = min(total[0], params.capacity);
//#if parallel
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
//#if counted
  count_shares(block, (keys_in_use + BLOCK - 1u) / BLOCK, invocation);
//#endif
  workgroupBarrier();
//#if counted
  if (invocation < 16u) {
    sum_shares(invocation);
  }
//#endif
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
//#if counted
    var place = digits[invocation].y;
    for (var lower = 0u; lower < invocation; lower += 1u) {
      place += digits[lower].x;
    }
    places[invocation] = place;
//#else
    places[invocation] = offsets[invocation * params.blocks + block];
//#endif
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
//#else
  let block = linear_workgroup(workgroup, workgroups) * WORKGROUP + invocation;
  if (block >= params.blocks) {
    return;
  }
  var next: array<u32, 16>;
  for (var digit = 0u; digit < 16u; digit += 1u) {
    next[digit] = offsets[digit * params.blocks + block];
  }
  let end = min((block + 1u) * BLOCK, keys_in_use);
  for (var at = block * BLOCK; at < end; at += 1u) {
    let key = keys_in[at];
    let digit = (key >> params.shift) & 15u;
    let target_at = next[digit];
    next[digit] = target_at + 1u;
    keys_out[target_at] = key;
    values_out[target_at] = value_at(at);
  }
//#endif
}
