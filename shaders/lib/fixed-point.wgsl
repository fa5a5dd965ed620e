// x as whole numbers of 16 bits, a scale a run of one group of 32 or two, in two planes of signed bytes: x = scale · (256 · high + low). Four bytes of weights
// are then multiplied in one instruction a plane (dot4I8Packed), exactly. The rounding of x, 2^-16 of a run's largest number, is as good
// as that of single precision in a sum; bytes alone would lose the small numbers beside massive activations.
//
// The workgroup makes it once, in its memory, while the first weights are on their way. Two neighbouring invocations take a group.
//#import lib/dot-group

// Vectors of a group: high bytes of elements 0 to 15 and 16 to 31, then low bytes.
const FIXED_VEC4S: u32 = 4u;
const LARGEST_FIXED: f32 = 32512.0;
// Added to a number, it leaves the nearest whole one in the low bits, with 2^15 + 2^7 on top: so that both bytes, which are signed, count from 0.
const ROUNDER: f32 = 12582912.0 + 32896.0;
const ONES: u32 = 0x01010101u;

var<workgroup> fixed_x: array<vec4<u32>, params.groups * FIXED_VEC4S>;
// Of a group: its scale and the sum of its whole numbers, the bits of both, then the sums of both halves.
var<workgroup> fixed_factors: array<vec4<i32>, params.groups>;

struct FixedGroup {
  high: array<vec4<u32>, 2>,
  low: array<vec4<u32>, 2>,
  scale: f32,
  sum: f32,
  // Of both halves.
  sums: vec2<i32>,
}

struct Sixteen {
  a: vec4<f32>,
  b: vec4<f32>,
  c: vec4<f32>,
  d: vec4<f32>,
}

//#if summands
// x and all that is to be added to it.
var<workgroup> summed_x: array<vec4<f32>, params.groups * 8u>;

//#if shares
// What the two summands of a head count, by their maxima and sums behind all of them: lib/head-summand.
fn share_weights(head: u32) -> vec2<f32> {
  let scales = summands[2u * SUMMANDS * params.groups * 8u + head];
  let weights = exp2(scales.xz - max(scales.x, scales.z));
  return weights / dot(weights, scales.yw);
}
//#endif

// Neighbours add up neighbours, all of them on their way at once; the first workgroup keeps the sums.
fn add_summands(workgroup: u32, invocation: u32) {
//#repeat T SUM_TURNS
  let at_T = min(T * WORKGROUP + invocation, params.groups * 8u - 1u);
  var sum_T = x[at_T];
//#endrepeat
//#repeat N SUMMANDS
//#if shares
  let weights_N = share_weights(N);
//#repeat T SUM_TURNS
  sum_T += weights_N.x * summands[2u * N * params.groups * 8u + at_T] + weights_N.y * summands[(2u * N + 1u) * params.groups * 8u + at_T];
//#endrepeat
//#else
//#repeat T SUM_TURNS
  sum_T += summands[N * params.groups * 8u + at_T];
//#endrepeat
//#endif
//#endrepeat
//#repeat T SUM_TURNS
  summed_x[at_T] = sum_T;
  if (workgroup == 0u) {
    x_sum[at_T] = sum_T;
  }
//#endrepeat
  workgroupBarrier();
}

fn load_sixteen_x(at: u32) -> Sixteen {
  return Sixteen(summed_x[at], summed_x[at + 1u], summed_x[at + 2u], summed_x[at + 3u]);
}
//#else
fn load_sixteen_x(at: u32) -> Sixteen {
  return Sixteen(x[at], x[at + 1u], x[at + 2u], x[at + 3u]);
}
//#endif

//#if norm
fn load_sixteen_norm(at: u32) -> Sixteen {
  return Sixteen(norm_weight[at], norm_weight[at + 1u], norm_weight[at + 2u], norm_weight[at + 3u]);
}
//#endif

fn fixed_group(group: u32) -> FixedGroup {
  let factors = fixed_factors[group];
  let scale_and_sum = bitcast<vec2<f32>>(factors.xy);
  return FixedGroup(
    array<vec4<u32>, 2>(fixed_x[group], fixed_x[params.groups + group]),
    array<vec4<u32>, 2>(fixed_x[2u * params.groups + group], fixed_x[3u * params.groups + group]),
    scale_and_sum.x, scale_and_sum.y, factors.zw,
  );
}

// Groups of a run, of one scale.
alias FixedRun = array<FixedGroup, RUN>;

fn fixed_run(run: u32) -> FixedRun {
  return FixedRun(
//#repeat G RUN
    fixed_group(run * RUN + G),
//#endrepeat
  );
}

fn largest(v: vec4<f32>) -> f32 {
  let a = abs(v);
  return max(max(a.x, a.y), max(a.z, a.w));
}

// Nearest whole numbers of x · factor in 16 low bits, both bytes 128 more than they are.
fn rounded(x: vec4<f32>, factor: f32) -> vec4<u32> {
  return bitcast<vec4<u32>>(fma(x, vec4<f32>(factor), vec4<f32>(ROUNDER)));
}

// Four neighbours of a word: of two each, in its halves.
fn in_halves(v: vec4<u32>) -> vec2<u32> {
  return (v.xy & vec2<u32>(0xffffu)) | (v.zw << vec2<u32>(16u));
}

fn low_bytes(v: vec2<u32>) -> u32 {
  return ((v.x & 0x00ff00ffu) | ((v.y << 8u) & 0xff00ff00u)) ^ 0x80808080u;
}

fn high_bytes(v: vec2<u32>) -> u32 {
  return (((v.x >> 8u) & 0x00ff00ffu) | (v.y & 0xff00ff00u)) ^ 0x80808080u;
}

// Half a group of x, `half` of `group`: to be called by all invocations, neighbours with the halves of the same run.
fn stage_half(x: Sixteen, group: u32, half: u32, writes: bool) {
  let own = max(max(largest(x.a), largest(x.b)), max(largest(x.c), largest(x.d)));
  var most = max(own, subgroupShuffleXor(own, 1u));
  if (RUN == 2u) {
    most = max(most, subgroupShuffleXor(most, 2u));
  }
  let factor = select(LARGEST_FIXED / most, 0.0, most == 0.0);
  let first = byte_order(rounded(x.a, factor), rounded(x.b, factor));
  let second = byte_order(rounded(x.c, factor), rounded(x.d, factor));
  let halves = array<vec2<u32>, 4>(in_halves(first[0]), in_halves(first[1]), in_halves(second[0]), in_halves(second[1]));
  let high = vec4<u32>(high_bytes(halves[0]), high_bytes(halves[1]), high_bytes(halves[2]), high_bytes(halves[3]));
  let low = vec4<u32>(low_bytes(halves[0]), low_bytes(halves[1]), low_bytes(halves[2]), low_bytes(halves[3]));
  let own_sum = 256 * dot_sixteen(high, vec4<u32>(ONES)) + dot_sixteen(low, vec4<u32>(ONES));
  let other_sum = subgroupShuffleXor(own_sum, 1u);
  if (!writes) {
    return;
  }
  let at = half * params.groups + group;
  fixed_x[at] = high;
  fixed_x[2u * params.groups + at] = low;
  if (half == 0u) {
    let scale_and_sum = vec2<f32>(most / LARGEST_FIXED, f32(own_sum + other_sum));
    fixed_factors[group] = vec4<i32>(bitcast<vec2<i32>>(scale_and_sum), own_sum, other_sum);
  }
}

//#if norm
// Of x, of each subgroup.
const SQUARE_QUADS: u32 = (WORKGROUP / LANES + 3u) / 4u;
var<workgroup> part_squares: array<vec4<f32>, SQUARE_QUADS>;

// Beyond the workgroup's subgroups there are zeros: all loads are under way at once.
fn staged_squares() -> f32 {
  var squares: vec4<f32>;
  for (var i = 0u; i < SQUARE_QUADS; i++) {
    squares += part_squares[i];
  }
  return dot(squares, vec4<f32>(1.0));
}
//#endif

// The half of a group that an invocation takes in stage `s`, in vectors; beyond the last one, that.
fn staged_half(s: u32, invocation: u32) -> u32 {
  return min(s * WORKGROUP + invocation, 2u * params.groups - 1u) * 4u;
}

// x comes later where sums are made of it.
struct FetchedHalf {
  x: Sixteen,
//#if norm
  norm: Sixteen,
//#endif
}

alias Fetched = array<FetchedHalf, STAGES>;

fn fetch_half(x_base: u32, s: u32, invocation: u32) -> FetchedHalf {
  var half: FetchedHalf;
//#if now
  if (s * WORKGROUP + invocation < 2u * params.groups)
//#endif
  {
    let at = staged_half(s, invocation);
//#if !summands
    half.x = load_sixteen_x(x_base + at);
//#endif
//#if norm
    half.norm = load_sixteen_norm(at);
//#endif
  }
  return half;
}

// All that an invocation takes, on its way before any of it is used.
fn fetch_x(x_base: u32, invocation: u32) -> Fetched {
  return Fetched(
//#repeat S STAGES
    fetch_half(x_base, S, invocation),
//#endrepeat
  );
}

// To be called by all invocations; ends with a barrier. The first workgroup keeps sums.
fn stage_x(fetched: Fetched, workgroup: u32, invocation: u32, subgroup_size: u32) {
//#if summands
  add_summands(workgroup, invocation);
//#endif
//#if norm
  var squares = 0.0;
//#endif
//#repeat S STAGES
//#if summands
  let x_S = load_sixteen_x(staged_half(S, invocation));
//#else
  let x_S = fetched[S].x;
//#endif
  let at_S = staged_half(S, invocation);
  let is_group_S = S * WORKGROUP + invocation < 2u * params.groups;
//#if norm
  squares += select(0.0, dot(x_S.a, x_S.a) + dot(x_S.b, x_S.b) + dot(x_S.c, x_S.c) + dot(x_S.d, x_S.d), is_group_S);
  let norm_S = fetched[S].norm;
  let scaled_S = Sixteen(x_S.a * norm_S.a, x_S.b * norm_S.b, x_S.c * norm_S.c, x_S.d * norm_S.d);
  stage_half(scaled_S, at_S / 8u, at_S / 4u % 2u, is_group_S);
//#else
  stage_half(x_S, at_S / 8u, at_S / 4u % 2u, is_group_S);
//#endif
//#endrepeat
//#if norm
  let total = subgroupAdd(squares);
  if (invocation % subgroup_size == 0u) {
    let subgroup = invocation / subgroup_size;
    part_squares[subgroup / 4u][subgroup % 4u] = total;
  }
//#endif
  workgroupBarrier();
}

fn dot_sixteen(bytes: vec4<u32>, x: vec4<u32>) -> i32 {
  return dot4I8Packed(bytes.x, x.x) + dot4I8Packed(bytes.y, x.y) + dot4I8Packed(bytes.z, x.z) + dot4I8Packed(bytes.w, x.w);
}

// Σ byte · whole number, of a group of weights; and of each half.
fn dot_bytes(bytes: array<vec4<u32>, 2>, x: FixedGroup) -> i32 {
  return 256 * (dot_sixteen(bytes[0], x.high[0]) + dot_sixteen(bytes[1], x.high[1]))
    + dot_sixteen(bytes[0], x.low[0]) + dot_sixteen(bytes[1], x.low[1]);
}

fn dot_halves(bytes: array<vec4<u32>, 2>, x: FixedGroup) -> vec2<i32> {
  return vec2<i32>(
    256 * dot_sixteen(bytes[0], x.high[0]) + dot_sixteen(bytes[0], x.low[0]),
    256 * dot_sixteen(bytes[1], x.high[1]) + dot_sixteen(bytes[1], x.low[1]),
  );
}
