import { type Dispatch, Gpu } from '../../src/gpu/gpu.ts';
import { Decoder, ownSelections, samplingBytes } from '../../src/models/decoder.ts';
import { fill } from './random-buffer.ts';
import { type Shape, shapes } from './shapes.ts';
import { configOf, greedy, matryoshkaOf, randomWeights } from './time-decoder.ts';
import { type TimedPass, timedPasses } from './timed-passes.ts';

/**
 * What a layer's attention does: all tokens; selected ones, with a selection that is kept or made anew each step; half of the heads, by a
 * learned router or by the norms of queries; half of every key and value, of all tokens or of selected ones.
 */
export type AttentionMode =
  | 'dense'
  | 'kept'
  | 'anew'
  | 'heads'
  | 'norms'
  | 'narrow'
  | 'narrow-kept'
  | 'narrow-anew';

/** µs. All but `step` are passes of the dispatches of many steps, one behind the other, by the GPU's clock. */
export interface StepTime {
  /** Of a step as it runs, by the page's clock. */
  step: number;
  /** Of a whole step. */
  pass: number;
  /** Of a step without its kernels of attention. */
  rest: number;
  /** Of the kernels of attention, all layers; small models project heads in them (ADR 18). */
  attention: number;
  /** The same kernels where there is one token to attend to: what they take beside it. */
  nothing: number;
  /** Kernels of attention of a step. */
  dispatches: number;
}

export interface AttentionTime {
  shape: string;
  mode: AttentionMode;
  position: number;
  decode: StepTime;
  /** µs of the kernels of attention of one pass of prefill that ends at the position, in a pass by themselves, and its tokens. */
  prefill: { attention: number; tokens: number };
}

/**
 * Steps of a timing, fewer than a working set has room for, so that a selection which is kept is kept in all of them, and how often it is
 * taken, of steps and of passes. A software adapter has no clock to warm up.
 */
const efforts = {
  hardware: { steps: 32, rounds: 6, passRounds: 4 },
  software: { steps: 8, rounds: 2, passRounds: 2 },
} as const;
const burst = 4;
/** Routing is not counted as attention. */
const attentionKernels =
  /^(attention|attention-split|attention-combine|selection-[a-z]+|keep-token|gather-tokens|head-rows|kv-[a-z]+)\//;
/** Keys and values: of layers, of layers that select together, of working sets. */
const caches = /^(keys|values|scales|[kv]_cache|kv_scales|slots) /;

/** Attention of a model of random weights far into a context of random keys and values; each time is reported as it comes. */
export async function timeAttention(
  name: string,
  mode: AttentionMode,
  positions: readonly number[],
  report: (time: AttentionTime) => void,
): Promise<void> {
  const shape = shapes.find((candidate) => candidate.name === name);
  if (!shape) throw new Error(`no shape '${name}'`);
  const gpu = await Gpu.create();
  const decoder = await decoderOf(gpu, shape, mode, Math.max(...positions));
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = gpu.createBuffer('sampled tokens', samplingBytes, MAP_READ | COPY_DST);
  for (const position of positions) {
    const prefill = await timePass(gpu, decoder, position);
    const decode = await timeStep(gpu, decoder, position, staging);
    report({ shape: name, mode, position, decode, prefill });
  }
  gpu.dispose();
}

async function decoderOf(
  gpu: Gpu,
  shape: Shape,
  mode: AttentionMode,
  longest: number,
): Promise<Decoder> {
  const halfOfHeads = {
    router: mode === 'heads' ? ('learned' as const) : ('query-norm' as const),
    sharedHeads: 1,
    activeHeads: Math.round(shape.heads / 2),
  };
  const isKept = mode.endsWith('kept');
  const selects = isKept || mode.endsWith('anew');
  // Random weights' queries may be opposite to each other.
  const similarity = isKept ? -1.01 : 1.01;
  const config = {
    ...configOf(shape),
    moh: mode === 'heads' || mode === 'norms' ? halfOfHeads : null,
    matryoshka: mode.startsWith('narrow') ? matryoshkaOf(shape, 0.5) : null,
    tokenSelect: selects ? { initial: 128, selected: 384, local: 512, similarity } : null,
  };
  const weights = randomWeights(gpu, shape, mode === 'heads');
  const contextLength = longest + 1 + burst + effortOf(gpu).steps;
  const { made: decoder, buffers } = await withBuffers(gpu, () =>
    Decoder.create(gpu, config, weights, { contextLength, kvCache: 'f16' }),
  );
  for (const buffer of buffers.filter(({ label }) => caches.test(label))) fill(gpu, buffer);
  decoder.writeRopeTables(new Map());
  decoder.beginSampling(greedy, []);
  return decoder;
}

/** What `make` makes, and the buffers that it makes for that. */
async function withBuffers<T>(
  gpu: Gpu,
  make: () => Promise<T>,
): Promise<{ made: T; buffers: GPUBuffer[] }> {
  const buffers: GPUBuffer[] = [];
  const create = gpu.createBuffer;
  gpu.createBuffer = (...how) => {
    const buffer = create.apply(gpu, how);
    buffers.push(buffer);
    return buffer;
  };
  try {
    return { made: await make(), buffers };
  } finally {
    gpu.createBuffer = create;
  }
}

/** The dispatches that `work` submits, which do not run. */
function recorded(gpu: Gpu, work: () => void): Dispatch[] {
  const dispatches: Dispatch[] = [];
  const submitAll = gpu.submitAll;
  gpu.submitAll = (lists) => {
    dispatches.push(...lists.flat());
  };
  try {
    work();
  } finally {
    gpu.submitAll = submitAll;
  }
  return dispatches;
}

function effortOf({ capabilities }: Gpu): (typeof efforts)[keyof typeof efforts] {
  return efforts[capabilities.software ? 'software' : 'hardware'];
}

function isOfAttention({ label }: Dispatch): boolean {
  return attentionKernels.test(label);
}

/** A pass of prefill that ends at a position. */
async function timePass(
  gpu: Gpu,
  decoder: Decoder,
  position: number,
): Promise<AttentionTime['prefill']> {
  const rows = decoder.passRows;
  const tokens = Array.from({ length: rows }, (_, i) => 1 + ((i * 7919) % 997));
  const run = () => decoder.pass(tokens, Math.max(0, position - rows));
  // It leaves queries, gates and the state.
  run();
  const dispatches = recorded(gpu, run).filter(isOfAttention);
  const passes = new Array<TimedPass>(effortOf(gpu).passRounds).fill({
    dispatches,
    rows,
    times: 1,
  });
  return { attention: middle(await timedPasses(gpu, passes)), tokens: rows };
}

/** Decode steps from a position on, as a generation queues them. */
async function timeStep(
  gpu: Gpu,
  decoder: Decoder,
  position: number,
  staging: GPUBuffer,
): Promise<StepTime> {
  // As further behind the prompt, where steps go on with what was asked for before.
  const later = position + ownSelections;
  // A token of a prompt and the steps behind it, the first of which selects whatever is kept later.
  const begin = () => {
    decoder.passAndSample([1], position - 1, true, staging);
    decoder.steps(burst, later, true, staging);
  };
  const { steps, rounds } = effortOf(gpu);
  const step = recorded(gpu, () => decoder.steps(1, later, true, staging));
  const timed = async (dispatches: readonly Dispatch[], before: () => void) => {
    const pass = { dispatches, rows: 1, times: steps, before };
    const times = await timedPasses(gpu, new Array<TimedPass>(rounds).fill(pass));
    return middle(times, steps);
  };
  const attention = step.filter(isOfAttention);
  const rest = step.filter((dispatch) => !isOfAttention(dispatch));
  const nearly = () => decoder.passAndSample([1], 0, true, staging);
  return {
    step: await clockOfStep(gpu, begin, () => {
      for (let i = 0; i < steps; i += burst) {
        decoder.steps(burst, later + burst + i, true, staging);
      }
    }),
    pass: await timed(step, begin),
    rest: await timed(rest, begin),
    attention: await timed(attention, begin),
    nothing: await timed(attention, nearly),
    dispatches: attention.length,
  };
}

/** As in the midst of a generation: the GPU is at work when the first step's dispatches come, so filling the queue is not in it. */
async function clockOfStep(gpu: Gpu, begin: () => void, work: () => void): Promise<number> {
  const { steps, rounds } = effortOf(gpu);
  const done = () => gpu.device.queue.onSubmittedWorkDone().then(() => performance.now());
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    begin();
    const began = done();
    work();
    times.push(1000 * ((await done()) - (await began)));
  }
  return middle(times, steps);
}

/** The median of one of `parts`, the first round left out: it warms up. */
function middle(times: readonly number[], parts = 1): number {
  const sorted = times.slice(1).sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) / parts);
}
