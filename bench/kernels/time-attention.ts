import { Gpu } from '../../src/gpu/gpu.ts';
import { Decoder, samplingBytes } from '../../src/models/decoder.ts';
import { shapes } from './shapes.ts';
import { configOf, greedy, matryoshkaOf, randomWeights } from './time-decoder.ts';

/** What a layer's attention does: all tokens; selected ones, with a selection that is kept or made anew each step; half of the heads; half of every key and value. */
export type AttentionMode = 'dense' | 'kept' | 'anew' | 'heads' | 'narrow';

export interface AttentionTime {
  shape: string;
  mode: AttentionMode;
  /** By position: µs of a decode step in kernels of attention, all layers, and the whole step. */
  decode: Record<number, { attention: number; step: number }>;
  /** The same of one pass of prefill that ends at the position. */
  prefill: Record<number, { attention: number; pass: number }>;
}

const steps = 32;
const attentionKernels =
  /^(attention|attention-split|attention-combine|selection-[a-z]+|gather-tokens|head-rows|kv-[a-z]+)\//;

/** Attention of a model of random weights at long contexts, by the GPU's clock; routing is not counted as attention. */
export async function timeAttention(
  name: string,
  mode: AttentionMode,
  positions: readonly number[],
): Promise<AttentionTime> {
  const shape = shapes.find((candidate) => candidate.name === name);
  if (!shape) throw new Error(`no shape '${name}'`);
  const gpu = await Gpu.create({ profile: true });
  const contextLength = Math.max(...positions) + steps + 1;
  const halfOfHeads = { sharedHeads: 1, activeHeads: Math.round(shape.heads / 2) };
  const similarity = mode === 'kept' ? 0 : 1;
  const selects = mode === 'kept' || mode === 'anew';
  const config = {
    ...configOf(shape),
    moh: mode === 'heads' ? halfOfHeads : null,
    matryoshka: mode === 'narrow' ? matryoshkaOf(shape, 0.5) : null,
    tokenSelect: selects ? { initial: 128, selected: 384, local: 512, similarity } : null,
  };
  const weights = randomWeights(gpu, shape, mode === 'heads');
  const decoder = await Decoder.create(gpu, config, weights, { contextLength, kvCache: 'f16' });
  decoder.writeRopeTables(new Map());
  decoder.beginSampling(greedy, []);
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = gpu.createBuffer('sampled tokens', samplingBytes, MAP_READ | COPY_DST);
  const timed = async (work: () => void, count: number) => {
    const rounds: { attention: number; all: number }[] = [];
    for (let round = 0; round < 4; round += 1) {
      work();
      const { kernels } = await gpu.profile();
      const sum = (only: RegExp) =>
        kernels.reduce(
          (total, { kernel, totalMs }) => total + (only.test(kernel) ? totalMs : 0),
          0,
        );
      const microseconds = (ms: number) => Math.round((1000 * ms) / count);
      rounds.push({ attention: microseconds(sum(attentionKernels)), all: microseconds(sum(/./)) });
    }
    // The first round warms up.
    return rounds.slice(1).sort((a, b) => a.attention - b.attention)[1] as (typeof rounds)[0];
  };
  const decode: AttentionTime['decode'] = {};
  const prefill: AttentionTime['prefill'] = {};
  for (const position of positions) {
    const rows = decoder.passRows;
    const tokens = Array.from({ length: rows }, (_, i) => 1 + ((i * 7919) % 997));
    const pass = await timed(() => decoder.pass(tokens, Math.max(0, position - rows)), 1);
    prefill[position] = { attention: pass.attention, pass: pass.all };
    // The host's first step selects; those behind it go on.
    decoder.passAndSample([1], position - 1, true, staging);
    const step = await timed(() => {
      for (let i = 0; i < steps; i += 8) decoder.steps(8, position + i, true, staging);
    }, steps);
    decode[position] = { attention: step.attention, step: step.all };
  }
  gpu.dispose();
  return { shape: name, mode, decode, prefill };
}
