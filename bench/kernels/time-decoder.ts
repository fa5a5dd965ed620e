import type { MatryoshkaConfig } from '../../src/attention/matryoshka.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { basisBytes } from '../../src/kernels/head-widths.ts';
import { kvFormats } from '../../src/kernels/kv-format.ts';
import { randomBases } from '../../src/kernels/kv-project.ref.ts';
import type { GpuMatrix, Linear } from '../../src/kernels/linear.ts';
import type { TransformerConfig } from '../../src/models/config.ts';
import { Decoder, samplingBytes } from '../../src/models/decoder.ts';
import type { DecoderWeights } from '../../src/models/decoder-weights.ts';
import { rowLayout } from '../../src/quant/format.ts';
import { quantFormat } from '../../src/quant/registry.ts';
import { evenRows } from '../../src/runtime/pass-size.ts';
import { asHalves } from '../../src/testing/weights.ts';
import type { KernelProfile, Tier } from '../../src/types.ts';
import { fill } from './random-buffer.ts';
import { type Shape, shapes } from './shapes.ts';

export interface DecoderTime {
  shape: string;
  tier: Tier;
  gpuBytes: number;
  kvCacheBytes: number;
  /** Tokens a second by position of the first. */
  decode: Record<number, number>;
  /** Tokens a second by length of the prompt. */
  prefill: Record<number, number>;
}

const contextLength = 8320;
const steps = 128;
/** Untimed work before the first steps: the clock of a GPU that had nothing to do is low. A software adapter has none. */
const warmUpMs = { hardware: 500, software: 0 } as const;
/** Steps of a submit, as a generation on fast hardware has them. */
const burst = 4;
export const greedy = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
};

/**
 * A model's decoder on random weights, without tokenizer, download or readback: what the GPU and its queue allow. Decode steps are
 * queued one behind the other, as a generation does. `llama1b:50`: with a cache of MatryoshkaKV at 50 %; `llama1b:q8_0`: of that format.
 */
export async function timeDecoder(name: string, maxTier: Tier): Promise<DecoderTime> {
  const gpu = await Gpu.create({ maxTier });
  const { decoder, staging } = await decoderOf(gpu, name);
  const elapsed = async (work: () => void) => {
    const began = performance.now();
    work();
    await gpu.device.queue.onSubmittedWorkDone();
    return performance.now() - began;
  };
  const stepsFrom = (position: number) => () => {
    decoder.passAndSample([1], position, true, staging);
    for (let i = 1; i < steps; i += burst) decoder.steps(burst, position + i, true, staging);
  };
  const untimedMs = warmUpMs[gpu.capabilities.software ? 'software' : 'hardware'];
  const began = performance.now();
  while (performance.now() - began < untimedMs) await elapsed(stepsFrom(128));
  const decode: Record<number, number> = {};
  for (const position of [128, 2048, 8000]) {
    const run = stepsFrom(position);
    await elapsed(run);
    decode[position] = Math.round((1000 * (steps + 1)) / (await best(() => elapsed(run))));
  }
  const prefill: Record<number, number> = {};
  for (const length of [128, 512, 2048]) {
    const run = () => prompt(decoder, length, staging);
    await elapsed(run);
    prefill[length] = Math.round((1000 * length) / (await best(() => elapsed(run))));
  }
  const { gpuBytes } = gpu.stats();
  const { kvCacheBytes } = decoder;
  gpu.dispose();
  return { shape: name, tier: gpu.capabilities.tier, gpuBytes, kvCacheBytes, decode, prefill };
}

/** GPU time by kernel, ms: of a prompt of 2,048 tokens, and of a burst of steps behind it. Each dispatch is a pass of its own. */
export async function profileDecoder(
  name: string,
  maxTier: Tier,
): Promise<Record<'prefill' | 'decode', KernelProfile[]>> {
  const gpu = await Gpu.create({ maxTier, profile: true });
  const { decoder, staging } = await decoderOf(gpu, name);
  const profiled = async (work: () => void) => {
    work();
    await gpu.profile();
    work();
    return (await gpu.profile()).kernels;
  };
  const prefill = await profiled(() => prompt(decoder, 2048, staging));
  const decode = await profiled(() => decoder.steps(burst, 2048, true, staging));
  gpu.dispose();
  return { prefill, decode };
}

async function decoderOf(
  gpu: Gpu,
  name: string,
): Promise<{ decoder: Decoder; staging: GPUBuffer }> {
  const [shapeName, cache] = name.split(':');
  const kvCache = kvFormats.find((format) => format === cache);
  const percent = kvCache ? undefined : cache;
  const shape = shapes.find((candidate) => candidate.name === shapeName);
  if (!shape) throw new Error(`no shape '${name}'`);
  const matryoshka = percent === undefined ? null : matryoshkaOf(shape, Number(percent) / 100);
  const config = { ...configOf(shape), matryoshka };
  const decoder = await Decoder.create(gpu, config, randomWeights(gpu, shape), {
    contextLength,
    kvCache: kvCache ?? 'f16',
  });
  decoder.writeRopeTables(new Map());
  decoder.beginSampling(greedy, []);
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = gpu.createBuffer('sampled tokens', samplingBytes, MAP_READ | COPY_DST);
  return { decoder, staging };
}

/** As a generation begins: the last pass samples a token. */
function prompt(decoder: Decoder, length: number, staging: GPUBuffer): void {
  let first = 0;
  while (first < length) {
    const rows = evenRows(length - first, decoder.passRows);
    const tokens = new Array<number>(rows).fill(1);
    if (first + rows < length) decoder.pass(tokens, first);
    else decoder.passAndSample(tokens, first, true, staging);
    first += rows;
  }
}

async function best(measure: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i += 1) times.push(await measure());
  return times.sort((a, b) => a - b)[2] as number;
}

/** Widths around the budget, other ones for every head, as a search finds them. */
export function matryoshkaOf(
  { layers, kvHeads, headDim }: Shape,
  budget: number,
): MatryoshkaConfig {
  const eighth = headDim / 8;
  const widths = Array.from({ length: kvHeads }, (_, head) => {
    const more = head % 2 === 0 ? eighth : 0;
    return { keys: budget * headDim - more, values: budget * headDim + more };
  });
  return { budget, widths: new Array<typeof widths>(layers).fill(widths) };
}

export function configOf(shape: Shape): TransformerConfig {
  const { name, hidden, intermediate, layers, heads, kvHeads, headDim, vocabulary } = shape;
  const rope = {
    dimensions: headDim,
    interleaved: false,
    factorsTensor: null,
    inverseFrequencies: Float64Array.from(
      { length: headDim / 2 },
      (_, i) => 10_000 ** ((-2 * i) / headDim),
    ),
    magnitude: 1,
  };
  return {
    architecture: 'llama',
    name,
    hiddenSize: hidden,
    intermediateSize: intermediate,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    numKeyValueHeads: kvHeads,
    headDim,
    vocabSize: vocabulary,
    maxPositionEmbeddings: contextLength,
    rmsNormEps: 1e-5,
    hiddenAct: 'silu',
    attentionScale: headDim ** -0.5,
    embeddingScale: 1,
    normWeightOffset: 0,
    rope: { full: rope, sliding: rope },
    slidingWindow: null,
    slidingLayers: new Array<boolean>(layers).fill(false),
    moh: null,
    tokenSelect: null,
    matryoshka: null,
  };
}

/** Random bits as weights, but for bases, of which others than orthonormal ones make scores that no trained model has; `routes`: with a router of Mixture-of-Head attention in each layer. */
export function randomWeights(gpu: Gpu, shape: Shape, routes = false): DecoderWeights {
  const { hidden, intermediate, layers, heads, kvHeads, headDim, vocabulary } = shape;
  const format = quantFormat(shape.format);
  const buffer = (label: string, bytes: number, alsoUsage = 0) => {
    const { STORAGE, COPY_DST } = GPUBufferUsage;
    const made = gpu.createBuffer(label, bytes, STORAGE | COPY_DST | alsoUsage);
    fill(gpu, made);
    return made;
  };
  const matrix = (label: string, rows: number, columns: number): GpuMatrix => ({
    buffer: buffer(label, rows * rowLayout(format, columns).rowBytes),
    format,
    rows,
    columns,
  });
  const linear = (label: string, rows: number, columns: number): Linear => ({
    parts: [{ matrix: matrix(label, rows, columns), yOffset: 0, bias: null }],
    rows,
    columns,
  });
  const norm = () => buffer('norm', hidden * 4);
  const basis = basisBytes(shape);
  const all = buffer('bases', layers * basis.layer, GPUBufferUsage.UNIFORM);
  const keyBases = asHalves(randomBases(kvHeads, headDim, 1));
  for (let layer = 0; layer < layers; layer += 1) gpu.write(all, layer * basis.layer, keyBases);
  const embedding = linear('embedding', vocabulary, hidden);
  const weights: Pick<DecoderWeights, 'embedding' | 'lmHead' | 'finalNorm' | 'layers'> = {
    embedding,
    lmHead: embedding,
    finalNorm: norm(),
    layers: Array.from({ length: layers }, (_, layer) => ({
      attentionNorm: norm(),
      qkv: linear('qkv', (heads + 2 * kvHeads) * headDim, hidden),
      qNorm: null,
      kNorm: null,
      output: linear('output', hidden, heads * headDim),
      router: routes ? matrix('router', 2 + heads, hidden) : null,
      bases: {
        keys: { buffer: all, offset: layer * basis.layer, size: basis.keys + basis.mean },
        mean: { buffer: all, offset: layer * basis.layer + basis.keys, size: basis.mean },
        all,
      },
      postAttentionNorm: null,
      feedForwardNorm: norm(),
      gateUp: linear('gate and up', 2 * intermediate, hidden),
      down: linear('down', hidden, intermediate),
      postFeedForwardNorm: null,
    })),
  };
  return weights as DecoderWeights;
}
