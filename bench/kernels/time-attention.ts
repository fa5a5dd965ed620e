import { Gpu } from '../../src/gpu/gpu.ts';
import { Decoder, ownSelections, samplingBytes } from '../../src/models/decoder.ts';
import { type Shape, shapes } from './shapes.ts';
import { configOf, greedy, matryoshkaOf, randomWeights } from './time-decoder.ts';

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

export interface AttentionTime {
  shape: string;
  mode: AttentionMode;
  /** By position: µs of a decode step in kernels of attention, all layers, each dispatch in a pass of its own; and of a whole step as it runs. */
  decode: Record<number, { attention: number; step: number }>;
  /** µs of the attention of one pass of prefill that ends at the position, and its tokens. */
  prefill: Record<number, { attention: number; tokens: number }>;
}

/** Steps of a timing: fewer than a working set has room for, so that a selection which is kept is kept in all of them. */
const steps = 32;
const burst = 8;
const rounds = 4;
const attentionKernels =
  /^(attention|attention-split|attention-combine|selection-[a-z]+|keep-token|gather-tokens|head-rows|kv-[a-z]+)\//;

/** Attention of a model of random weights far into a context. Routing is not counted as attention. */
export async function timeAttention(
  name: string,
  mode: AttentionMode,
  positions: readonly number[],
): Promise<AttentionTime> {
  const shape = shapes.find((candidate) => candidate.name === name);
  if (!shape) throw new Error(`no shape '${name}'`);
  const time: AttentionTime = { shape: name, mode, decode: {}, prefill: {} };
  const longest = Math.max(...positions);
  const profiled = await Gpu.create({ profile: true });
  let decoder = await decoderOf(profiled, shape, mode, longest);
  for (const position of positions) {
    const tokens = decoder.passRows;
    const attention = await attentionTime(profiled, 1, () => pass(decoder, position));
    time.prefill[position] = { attention, tokens };
    const { begin, step } = decodeAt(profiled, decoder, position);
    time.decode[position] = {
      attention: await attentionTime(profiled, steps, step, begin),
      step: 0,
    };
  }
  profiled.dispose();
  const gpu = await Gpu.create();
  decoder = await decoderOf(gpu, shape, mode, longest);
  for (const position of positions) {
    pass(decoder, position);
    const { begin, step } = decodeAt(gpu, decoder, position);
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      begin();
      await gpu.device.queue.onSubmittedWorkDone();
      const began = performance.now();
      step();
      await gpu.device.queue.onSubmittedWorkDone();
      times.push((1000 * (performance.now() - began)) / steps);
    }
    const { attention = 0 } = time.decode[position] ?? {};
    time.decode[position] = { attention, step: middle(times) };
  }
  gpu.dispose();
  return time;
}

async function decoderOf(gpu: Gpu, shape: Shape, mode: AttentionMode, longest: number) {
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
  const contextLength = longest + 1 + burst + steps;
  const decoder = await Decoder.create(gpu, config, weights, { contextLength, kvCache: 'f16' });
  decoder.writeRopeTables(new Map());
  decoder.beginSampling(greedy, []);
  return decoder;
}

/** A pass of prefill that ends at a position. */
function pass(decoder: Decoder, position: number): void {
  const rows = decoder.passRows;
  const tokens = Array.from({ length: rows }, (_, i) => 1 + ((i * 7919) % 997));
  decoder.pass(tokens, Math.max(0, position - rows));
}

/**
 * Decode steps from a position on, as a generation queues them. `begin` is a token of a prompt and the steps behind it, the first of which
 * selects whatever is kept later.
 */
function decodeAt(
  gpu: Gpu,
  decoder: Decoder,
  position: number,
): Record<'begin' | 'step', () => void> {
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = gpu.createBuffer('sampled tokens', samplingBytes, MAP_READ | COPY_DST);
  // As further behind the prompt, where steps go on with what was asked for before.
  const later = position + ownSelections;
  return {
    begin: () => {
      decoder.passAndSample([1], position - 1, true, staging);
      decoder.steps(burst, later, true, staging);
    },
    step: () => {
      for (let i = 0; i < steps; i += burst) {
        decoder.steps(burst, later + burst + i, true, staging);
      }
    },
  };
}

/** µs of attention in one of `count` parts of the work, which follows on what is not counted. */
async function attentionTime(
  gpu: Gpu,
  count: number,
  work: () => void,
  before?: () => void,
): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    before?.();
    await gpu.profile();
    work();
    const { kernels } = await gpu.profile();
    const own = kernels.filter(({ kernel }) => attentionKernels.test(kernel));
    times.push((1000 * own.reduce((sum, { totalMs }) => sum + totalMs, 0)) / count);
  }
  return middle(times);
}

/** The median, the first round left out: it warms up. */
function middle(times: readonly number[]): number {
  const sorted = times.slice(1).sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}
