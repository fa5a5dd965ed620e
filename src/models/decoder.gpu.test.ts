import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { fetchData, fetchFile, hasData } from '../testing/data.ts';
import { greedyTokens } from '../testing/greedy-tokens.ts';
import { indexOfLargest, logProbabilities, ModelFile } from '../testing/model-file.ts';
import type { Decoder, DecoderOptions } from './decoder.ts';

interface Fixture {
  name: string;
  file: string;
  tokens: number[];
  contextLength: number;
}

const fixtureFolder = '/e2e/fixtures/models';
const fixtures: Fixture[] = JSON.parse(
  new TextDecoder().decode(await fetchFile(`${fixtureFolder}/models.json`)),
);

/** The largest difference of two lists of logits. */
function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const error = Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    largest = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(largest, error);
  }
  return largest;
}

/** Of all tests that need none of their own: it compiles a shader once, which takes long on a software adapter. */
let gpu: Gpu;
beforeAll(async () => {
  gpu = await Gpu.create();
});
afterEach(() => {
  expect(gpu.stats().gpuBytes).toBe(0);
});
afterAll(() => gpu.dispose());

describe('tiny models on the GPU against Hugging Face transformers', () => {
  describe.each(fixtures)('$name', ({ name, file, tokens, contextLength }) => {
    it('gives the same logits', async () => {
      const model = new ModelFile(await fetchFile(`${fixtureFolder}/${file}`));
      const stored = await fetchFile(`${fixtureFolder}/${name}.logits.bin`);
      const { decoder, dispose } = await model.decoder(gpu, { contextLength, kvCache: 'f32' });
      const error = largestError(await decoder.logits(tokens), new Float32Array(stored.buffer));
      dispose();
      expect(error).toBeLessThan(1e-4);
    });

    it('decodes alike with attention cut along the context', async () => {
      const model = new ModelFile(await fetchFile(`${fixtureFolder}/${file}`));
      const options = { contextLength, kvCache: 'f32' } as const;
      const whole = await model.decoder(gpu, options);
      const cut = await model.decoder(gpu, { ...options, splitFrom: 0 });
      const prompt = tokens.slice(0, 20);
      const expected = await greedyTokens(gpu, whole.decoder, prompt, [20], 10);
      const actual = await greedyTokens(gpu, cut.decoder, prompt, [20], 10);
      whole.dispose();
      cut.dispose();
      expect(actual).toEqual(expected);
    });

    it('prefills in any passes as it decodes token by token', async () => {
      const model = new ModelFile(await fetchFile(`${fixtureFolder}/${file}`));
      const { decoder, dispose } = await model.decoder(gpu, { contextLength, kvCache: 'f32' });
      const prompt = tokens.slice(0, 20);
      const whole = await greedyTokens(gpu, decoder, prompt, [20], 10);
      const chunked = await greedyTokens(gpu, decoder, prompt, [7, 1, 12], 10);
      const oneByOne = await greedyTokens(gpu, decoder, prompt, Array(20).fill(1), 10);
      dispose();
      expect(chunked).toEqual(whole);
      expect(oneByOne).toEqual(whole);
    });
  });
});

describe('matrices larger than a binding', () => {
  // A file that several fixtures have is cut once: what they differ in is the length of the context alone.
  const files = fixtures.filter(({ file }, i) => fixtures.findIndex((f) => f.file === file) === i);
  it.each(files)('are cut without a difference: $name', async ({ file, tokens, contextLength }) => {
    const model = new ModelFile(await fetchFile(`${fixtureFolder}/${file}`));
    const run = async (maxMatrixBytes: number) => {
      const options = { contextLength, kvCache: 'f32', maxMatrixBytes } as const;
      const { decoder, dispose } = await model.decoder(gpu, options);
      const { buffers } = gpu.stats();
      const ids = await greedyTokens(gpu, decoder, tokens.slice(0, 20), [12, 8], 12);
      const logits = await decoder.logits(tokens.slice(0, 5));
      dispose();
      return { buffers, ids, logits };
    };
    const whole = await run(gpu.maxStorageBytes);
    // Every part has shaders of its own: 31 rows of 64 columns, fewer than the keys of a layer have.
    const cut = await run(8_000);
    // Every kind of matrix is cut, the embedding into more than two.
    expect(cut.buffers - whole.buffers).toBeGreaterThan(10);
    expect(cut.ids).toEqual(whole.ids);
    expect(largestError(cut.logits, whole.logits)).toBeLessThan(1e-5);
  });
});

describe('passes of a prompt', () => {
  it('ask of the last layer for keys and values alone', async () => {
    const model = new ModelFile(await fetchFile('/models/vitrail-books.gguf'));
    const { decoder, dispose } = await model.decoder(gpu, { contextLength: 64, kvCache: 'f32' });
    const before = gpu.stats().calls.dispatches;
    decoder.pass(Array<number>(8).fill(40), 0);
    const { numHiddenLayers: layers } = decoder.config;
    // Norm, projection, rotation; attention, output projection, norm, gates and ups, activation, down.
    expect(gpu.stats().calls.dispatches - before).toBe(1 + 3 * layers + 6 * (layers - 1));
    dispose();
  });
});

describe('heads that are projected where they attend', () => {
  const prompt = Array.from({ length: 10 }, (_, i) => 40 + 7 * i);
  const stepsAfter = 4;
  const sizes = { initial: 128, selected: 128, local: 256, similarity: 0.9 };
  const selecting: { tokenSelect?: typeof sizes } = { tokenSelect: sizes };
  let projectingGpu: Gpu;
  let model: ModelFile;
  beforeAll(async () => {
    projectingGpu = await Gpu.create();
    // The kernels that hardware with subgroups of four would get, but those of passes whose tiles take seconds to compile here.
    Object.assign(projectingGpu.capabilities, { software: false, workgroupStorageBytes: 16_383 });
    model = new ModelFile(await fetchFile('/models/vitrail-books.gguf'));
  });
  afterAll(() => projectingGpu.dispose());

  /** Greedy tokens, and the dispatches of a step. */
  async function run(gpu: Gpu, how: Pick<DecoderOptions, 'splitFrom'> & typeof selecting) {
    const options = { contextLength: 64, kvCache: 'f32', ...how } as const;
    const { decoder, dispose } = await model.decoder(gpu, options);
    const ids = await greedyTokens(gpu, decoder, prompt, [prompt.length], stepsAfter);
    const before = gpu.stats().calls.dispatches;
    const again = await greedyTokens(gpu, decoder, prompt, [1, prompt.length - 1], 2);
    const { dispatches } = gpu.stats().calls;
    const layers = decoder.config.numHiddenLayers;
    dispose();
    expect(again).toEqual(ids.slice(0, 2));
    return { ids, dispatches: dispatches - before, layers };
  }

  it.each([
    ['whole', { splitFrom: 64 }, 2],
    ['cut', { splitFrom: 0 }, 2],
    // Where tokens are selected, one that is given alone is a pass.
    ['by two workgroups, over a working set', { splitFrom: 512, ...selecting }, 1],
  ] as const)(
    'answer as with a projection of its own, attention %s',
    async (_, how, steps) => {
      const plain = await run(gpu, how);
      const projected = await run(projectingGpu, how);
      expect(projected.ids).toEqual(plain.ids);
      // Of the token that was given alone, and of a step: a dispatch a layer less each.
      expect(plain.dispatches - projected.dispatches).toBe(steps * projected.layers);
    },
    120_000,
  );
});

describe.runIf(hasData())('stories260K on the GPU', () => {
  // Tier C is what the software adapter has; D leaves its subgroups unused.
  it.each(['C', 'D'] as const)('continues as llama.cpp does on tier %s', async (maxTier) => {
    const gpu = await Gpu.create({ maxTier });
    expect(gpu.capabilities.tier).toBe(maxTier);
    const file = new ModelFile(await fetchData('lm/stories260K.gguf'));
    const { prompt, ids } = JSON.parse(
      new TextDecoder().decode(await fetchFile(`${fixtureFolder}/stories260K.greedy.json`)),
    );
    const { decoder, dispose } = await file.decoder(gpu, { contextLength: 256, kvCache: 'f32' });
    const tokens = await greedyTokens(gpu, decoder, prompt, [prompt.length], ids.length);
    dispose();
    gpu.dispose();
    expect(tokens).toEqual(ids);
  });
});

interface TeacherForced {
  tokens: number[];
  top: number[][];
  logprobs: number[][];
}

interface Chat {
  tokens: number[];
  ids: number[];
}

interface Continuation {
  tokens: number[];
  ids: number[];
}

/** Mixture-of-Head attention with the weights that the project ships, against double precision on the same weights. */
describe('Vitrail Small on the GPU', () => {
  let file: ModelFile;
  let reference: [TeacherForced, ...Continuation[]];
  beforeAll(async () => {
    file = new ModelFile(await fetchFile('/models/vitrail-small.gguf'));
    const text = await fetchFile(`${fixtureFolder}/vitrail-small.reference.json`);
    reference = JSON.parse(new TextDecoder().decode(text));
  });

  it('gives the exact log-probabilities of a text', async () => {
    const { decoder, dispose } = await file.decoder(gpu, { contextLength: 128, kvCache: 'f32' });
    const [{ tokens, top, logprobs }] = reference;
    const logits = await decoder.logits(tokens);
    const width = decoder.config.vocabSize;
    const errors = tokens.map((_, i) => {
      const actual = logProbabilities(logits.subarray(i * width, (i + 1) * width));
      expect(indexOfLargest(actual)).toBe(top[i]?.[0]);
      return largestError(
        (top[i] ?? []).map((token) => actual[token] ?? Number.NaN),
        logprobs[i] ?? [],
      );
    });
    dispose();
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });

  // Where attention is cut, its gates are in the kernel that puts the parts together.
  it.each([undefined, 0])(
    'continues greedily, attention cut from %s on',
    async (splitFrom) => {
      const options: DecoderOptions = { contextLength: 128, kvCache: 'f32' };
      if (splitFrom !== undefined) options.splitFrom = splitFrom;
      const { decoder, dispose } = await file.decoder(gpu, options);
      // A step whose attention is cut takes a second here.
      const count = splitFrom === undefined ? 12 : 4;
      for (const { tokens, ids } of reference.slice(1) as Continuation[]) {
        const passes = passesOf(decoder, tokens);
        const actual = await greedyTokens(gpu, decoder, tokens, passes, count);
        expect(actual).toEqual(ids.slice(0, count));
      }
      dispose();
    },
    60_000,
  );
});

function passesOf({ passRows }: Decoder, tokens: readonly number[]): number[] {
  const count = Math.ceil(tokens.length / passRows);
  return Array.from({ length: count }, (_, i) => Math.min(passRows, tokens.length - i * passRows));
}

/** SmolLM2's residual reaches 25,000: what rounds activations too coarsely answers nonsense here. */
describe.runIf(hasData())('SmolLM2-135M on the GPU', () => {
  let file: ModelFile;
  let reference: [TeacherForced, ...Chat[]];
  beforeAll(async () => {
    file = new ModelFile(await fetchData('lm/SmolLM2-135M-Instruct.Q4_1.gguf'));
    const text = await fetchData('lm/SmolLM2-135M-Instruct.reference.json');
    reference = JSON.parse(new TextDecoder().decode(text));
  }, 60_000);

  it('gives the exact log-probabilities of 32 tokens and a greedy chat', async () => {
    const { decoder, dispose } = await file.decoder(gpu, { contextLength: 128, kvCache: 'f32' });
    const [text, chat] = reference;
    const count = 32;
    const logits = await decoder.logits(text.tokens.slice(0, count));
    let error = 0;
    let agree = 0;
    for (let i = 0; i < count; i += 1) {
      const width = decoder.config.vocabSize;
      const actual = logProbabilities(logits.subarray(i * width, (i + 1) * width));
      if (indexOfLargest(actual) === text.top[i]?.[0]) agree += 1;
      text.top[i]?.forEach((token, rank) => {
        error += Math.abs((actual[token] ?? 0) - (text.logprobs[i]?.[rank] ?? 0)) / (8 * count);
      });
    }
    console.info(`mean log-probability error ${error.toExponential(2)}`);
    expect(error).toBeLessThan(1e-3);
    expect(agree).toBe(count);

    const { tokens, ids: expected } = chat as Chat;
    const passes = [decoder.passRows, tokens.length - decoder.passRows];
    const ids = await greedyTokens(gpu, decoder, tokens, passes, expected.length);
    expect(ids).toEqual(expected);
    dispose();
  }, 120_000);
});
