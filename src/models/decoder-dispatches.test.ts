import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Capabilities } from '../gpu/capabilities.ts';
import { everything } from '../testing/linked-shaders.ts';
import { ModelFile } from '../testing/model-file.ts';
import { RecordingGpu } from '../testing/recording-gpu.ts';
import type { Decoder, DecoderOptions } from './decoder.ts';

beforeAll(() => {
  const usage = { STORAGE: 1, UNIFORM: 2, COPY_SRC: 4, COPY_DST: 8 };
  Object.assign(globalThis, { GPUBufferUsage: usage });
});

const A = everything;
const C: Capabilities = { ...A, tier: 'C', f16: false, subgroupMatrix: false };
const D: Capabilities = {
  ...{ ...C, tier: 'D', subgroups: false },
  ...{ minSubgroupSize: 0, maxSubgroupSize: 0 },
};

const models = new URL('../../models/', import.meta.url);

type Options = Partial<DecoderOptions> & {
  tokenSelect?: { initial: number; selected: number; local: number; similarity: number };
};

/** The kernels of what `act` submits and what they bind, and how many layers the model has. */
async function submittedBy(
  name: string,
  capabilities: Capabilities,
  act: (decoder: Decoder, staging: GPUBuffer) => void,
  options: Options = {},
): Promise<{ kernels: string[]; bindings: number; layers: number }> {
  const file = new ModelFile(readFileSync(new URL(`${name}.gguf`, models)));
  const recording = new RecordingGpu(capabilities);
  const given = { contextLength: 512, kvCache: 'f16', ...options } as const;
  const { decoder } = await file.decoder(recording.gpu, given);
  act(decoder, {} as GPUBuffer);
  const { submitted: kernels, bindings } = recording;
  return { kernels, bindings, layers: decoder.config.numHiddenLayers };
}

function repeat(times: number, kernels: readonly string[]): string[] {
  return Array.from({ length: times }, () => kernels).flat();
}

const step = (decoder: Decoder, staging: GPUBuffer) => decoder.steps(1, 40, true, staging);
const prompt = (decoder: Decoder, staging: GPUBuffer) =>
  decoder.passAndSample(Array<number>(100).fill(1), 0, true, staging);
const middle = (decoder: Decoder) => decoder.pass(Array<number>(100).fill(1), 0);

const feed = ['matvec', 'matvec'];

describe('a step', () => {
  it('is five dispatches a layer', async () => {
    const { kernels, layers } = await submittedBy('vitrail-books', D, step);
    const layer = ['qkv', 'attention', 'matvec', ...feed];
    expect(kernels).toEqual(['embedding', ...repeat(layers, layer), 'matvec', 'sample']);
  });

  it('is four where heads project what they attend to', async () => {
    const { kernels, bindings, layers } = await submittedBy('vitrail-books', A, step);
    const layer = ['qkv', 'attention', ...feed];
    expect(kernels).toEqual(['embedding', ...repeat(layers, layer), 'matvec', 'sample']);
    expect(bindings).toBe(3 + layers * (8 + 6 + 6 + 3) + 5 + 4);
  });

  it('chooses heads before they attend, where a model has a router', async () => {
    const { kernels, layers } = await submittedBy('vitrail-small', A, step);
    const layer = ['qkv', 'head-gates', 'attention', ...feed];
    expect(kernels).toEqual(['embedding', ...repeat(layers, layer), 'matvec', 'sample']);
  });

  it('cuts attention along the context far into it', async () => {
    const { kernels, layers } = await submittedBy('vitrail-books', C, step, { splitFrom: 40 });
    const layer = ['qkv', 'attention-split', 'attention-combine', ...feed];
    expect(kernels).toEqual(['embedding', ...repeat(layers, layer), 'matvec', 'sample']);
  });

  it('selects for the next one behind all layers', async () => {
    const tokenSelect = { initial: 128, selected: 128, local: 256, similarity: 0.9 };
    const options = { tokenSelect, contextLength: 2048 };
    const { kernels } = await submittedBy('vitrail-books', A, step, options);
    expect(kernels.slice(kernels.lastIndexOf('attention') + 1)).toEqual([
      ...feed,
      ...['selection-step', 'keep-token', 'selection-scores', 'selection-votes'],
      ...['selection-top', 'gather-tokens', 'matvec', 'sample'],
    ]);
  });
});

describe('a pass', () => {
  const project = ['rms-norm', 'matmul', 'rope'];
  const rest = ['attention', 'matmul', 'rms-norm', 'matmul', 'matmul'];

  it('leaves keys and values of the last layer, gates activated where subgroup matrices make them', async () => {
    const { kernels, layers } = await submittedBy('vitrail-books', A, middle);
    const before = repeat(layers - 1, [...project, ...rest]);
    expect(kernels).toEqual(['embedding', ...before, ...project]);
  });

  it('activates gates that it has made elsewhere', async () => {
    const { kernels, layers } = await submittedBy('vitrail-books', C, middle);
    const layer = [...project, ...rest.with(-1, 'gated-activation'), 'matmul'];
    expect(kernels).toEqual(['embedding', ...repeat(layers - 1, layer), ...project]);
  });

  it('sends the last token of a prompt through the last layer as a step does', async () => {
    const { kernels, layers } = await submittedBy('vitrail-books', A, prompt);
    const end = ['last-row', 'qkv', 'attention', 'matvec', ...feed, 'matvec', 'sample'];
    const before = repeat(layers - 1, [...project, ...rest]);
    expect(kernels).toEqual(['embedding', ...before, ...project, ...end]);
  });

  it('lets all tokens attend in the last layer where heads are chosen', async () => {
    const { kernels, layers } = await submittedBy('vitrail-small', A, prompt);
    const route = ['head-gates', 'head-rows'];
    const before = repeat(layers - 1, [...project, ...route, ...rest]);
    const end = ['last-row', 'last-row', 'matvec', ...feed, 'matvec', 'sample'];
    expect(kernels).toEqual([
      'embedding',
      ...[...before, ...project, ...route, 'attention'],
      ...end,
    ]);
  });
});
