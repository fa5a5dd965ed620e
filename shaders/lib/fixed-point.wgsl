// x as whole numbers of 16 bits, a scale a run of one group of 32 or two, in two planes of signed bytes: x = scale · (256 · high + low). Four bytes of weights
// are then multiplied in one instruction a plane (dot4I8Packed), exactly. The rounding of x, 2^-16 of a run's largest number, is as good
// as that of single precision in a sum; bytes alone would lose the small numbers beside massive activations.
//
// The workgroup makes it once, in its memory, while the first weights are on their way. Four neighbouring invocations take a run: of each of its groups
// eight elements, so that they read neighbouring bytes.
//#import lib/dot-group

const LARGEST_FIXED: f32 = 32512.0;
// Added to a number, it leaves the nearest whole one in the low bits, with 2^15 + 2^7 on top: so that both bytes, which are signed, count from 0.
const ROUNDER: f32 = 12582912.0 + 32896.0;
const ONES: u32 = 0x01010101u;

// Of a run: of each group the high bytes of elements 0 to 15 and 16 to 31, then low bytes; behind them the sums of all halves. An odd number of vectors,
// so that eight neighbours read eight banks; together, so that one place is known to be in range for all.
var<workgroup> fixed_x: array<array<vec4<u32>, 4u * RUN + 1u>, RUNS>;
var<workgroup> fixed_scales: array<f32, RUNS>;

struct FixedGroup {
  high: array<vec4<u32>, 2>,
  low: array<vec4<u32>, 2>,
  scale: f32,
  // Of both halves.
  sums: vec2<i32>,
}

struct Eight {
  a: vec4<f32>,
  b: vec4<f32>,
}

// Of each group of a run.
alias Eights = array<Eight, RUN>;

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

fn load_x_eight(at: u32) -> Eight {
  return Eight(summed_x[at], summed_x[at + 1u]);
}
//#else
fn load_x_eight(at: u32) -> Eight {
  return Eight(x[at], x[at + 1u]);
}
//#endif

//#if norm
fn load_norm_eight(at: u32) -> Eight {
  return Eight(norm_weight[at], norm_weight[at + 1u]);
}
//#endif

// Groups of a run, of one scale.
alias FixedRun = array<FixedGroup, RUN>;

fn fixed_run(run: u32) -> FixedRun {
  let sums = bitcast<vec4<i32>>(fixed_x[run][4u * RUN]);
  let halves = array<vec2<i32>, 2>(sums.xy, sums.zw);
  let scale = fixed_scales[run];
  return FixedRun(
//#repeat G RUN
    FixedGroup(
      array<vec4<u32>, 2>(fixed_x[run][4u * G], fixed_x[run][4u * G + 1u]),
      array<vec4<u32>, 2>(fixed_x[run][4u * G + 2u], fixed_x[run][4u * G + 3u]),
      scale, halves[G],
    ),
//#endrepeat
  );
}

fn sum_of(x: FixedGroup) -> f32 {
  return f32(x.sums.x + x.sums.y);
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

// Eight elements of each group of a run, `place` of four: to be called by all invocations, neighbours with the others of the same run.
fn stage_eights(x: Eights, run: u32, place: u32, writes: bool) {
  var most = 0.0;
//#repeat G RUN
  most = max(most, max(largest(x[G].a), largest(x[G].b)));
//#endrepeat
  most = max(most, subgroupShuffleXor(most, 1u));
  most = max(most, subgroupShuffleXor(most, 2u));
  let factor = select(LARGEST_FIXED / most, 0.0, most == 0.0);
  let half = place / 2u;
  let word = place % 2u * 2u;
//#repeat G RUN
  let ordered_G = byte_order(rounded(x[G].a, factor), rounded(x[G].b, factor));
  let first_G = in_halves(ordered_G[0]);
  let second_G = in_halves(ordered_G[1]);
  let high_G = vec2<u32>(high_bytes(first_G), high_bytes(second_G));
  let low_G = vec2<u32>(low_bytes(first_G), low_bytes(second_G));
  let own_G = 256 * (dot4I8Packed(high_G.x, ONES) + dot4I8Packed(high_G.y, ONES)) + dot4I8Packed(low_G.x, ONES) + dot4I8Packed(low_G.y, ONES);
  let sum_G = own_G + subgroupShuffleXor(own_G, 1u);
//#endrepeat
  if (!writes) {
    return;
  }
//#repeat G RUN
  fixed_x[run][4u * G + half][word] = high_G.x;
  fixed_x[run][4u * G + half][word + 1u] = high_G.y;
  fixed_x[run][4u * G + half + 2u][word] = low_G.x;
  fixed_x[run][4u * G + half + 2u][word + 1u] = low_G.y;
  if (word == 0u) {
    fixed_x[run][4u * RUN][2u * G + half] = bitcast<u32>(sum_G);
  }
//#endrepeat
  if (place == 0u) {
    fixed_scales[run] = most / LARGEST_FIXED;
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

// The place of x, in vectors, of the eight elements of group `g` of its run that an invocation takes in stage `s`; beyond the last ones, those.
fn staged_at(s: u32, g: u32, invocation: u32) -> u32 {
  let at = s * WORKGROUP + invocation;
  return min((at / 4u * RUN + g) * 8u + at % 4u * 2u, params.groups * 8u - 2u);
}

// x comes later where sums are made of it.
struct FetchedEights {
  x: Eights,
//#if norm
  norm: Eights,
//#endif
}

alias Fetched = array<FetchedEights, STAGES>;

fn fetch_eights(x_base: u32, s: u32, invocation: u32) -> FetchedEights {
  var fetched: FetchedEights;
//#if now
  if (s * WORKGROUP + invocation < 4u * RUNS)
//#endif
  {
//#repeat G RUN
    let at_G = staged_at(s, G, invocation);
//#if !summands
    fetched.x[G] = load_x_eight(x_base + at_G);
//#endif
//#if norm
    fetched.norm[G] = load_norm_eight(at_G);
//#endif
//#endrepeat
  }
  return fetched;
}

// All that an invocation takes, on its way before any of it is used.
fn fetch_x(x_base: u32, invocation: u32) -> Fetched {
  return Fetched(
//#repeat S STAGES
    fetch_eights(x_base, S, invocation),
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
  var x_S = fetched[S].x;
  let place_S = S * WORKGROUP + invocation;
//#repeat G RUN
//#if summands
  x_S[G] = load_x_eight(staged_at(S, G, invocation));
//#endif
//#if norm
  squares += select(0.0, dot(x_S[G].a, x_S[G].a) + dot(x_S[G].b, x_S[G].b), place_S / 4u * RUN + G < params.groups);
  x_S[G] = Eight(x_S[G].a * fetched[S].norm[G].a, x_S[G].b * fetched[S].norm[G].b);
//#endif
//#endrepeat
  stage_eights(x_S, place_S / 4u, place_S % 4u, place_S < 4u * RUNS);
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
