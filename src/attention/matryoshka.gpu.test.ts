import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { rowBlocks } from '../kernels/head-widths.ts';
import { isPacked, kvBytes } from '../kernels/kv-format.ts';
import { fetchFile } from '../testing/data.ts';
import { greedyTokens } from '../testing/greedy-tokens.ts';
import { indexOfLargest, ModelFile } from '../testing/model-file.ts';

// "I had been waiting for some time in the hall when the": the likeliest next tokens of a sentence are well apart.
const text = [43, 425, 584, 2392, 335, 644, 662, 295, 266, 4053, 542, 266];
const contextLength = 64;

/** Vitrail Small: Mixture-of-Head attention, 8 query heads over 2 key-value heads of 64, bases of its own. */
describe('MatryoshkaKV against double precision', () => {
  let gpu: Gpu;
  let file: ModelFile;
  beforeAll(async () => {
    gpu = await Gpu.create();
    file = new ModelFile(await fetchFile('/models/vitrail-small.gguf'));
  }, 60_000);
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  it.each([
    { budget: 0.75, moh: undefined, kvCache: 'f32', bound: 1e-3 },
    { budget: 0.375, moh: false, kvCache: 'f32', bound: 1e-3 },
    // Coefficients are rounded to halves, which the reference's are not.
    { budget: 0.5, moh: undefined, kvCache: 'f16', bound: 3e-2 },
    { budget: 0.375, moh: undefined, kvCache: 'q4_0', bound: 1e-3 },
    // A coefficient beside a tie falls to the other side in single precision, and of 255 steps there are more ties than of 16.
    { budget: 0.75, moh: undefined, kvCache: 'q8_0', bound: 3e-2 },
  ] as const)(
    'gives the same logits: %o',
    async ({ budget, moh, kvCache, bound }) => {
      const matryoshka = { budget };
      const options = { contextLength, matryoshka, kvCache, ...(moh === false ? { moh } : {}) };
      const { decoder, dispose } = await file.decoder(gpu, options);
      const actual = await decoder.logits(text);
      const bytes = decoder.kvCacheBytes;
      dispose();
      const { numHiddenLayers, numKeyValueHeads, headDim, matryoshka: chosen } = decoder.config;
      const whole = numHiddenLayers * 2 * numKeyValueHeads * headDim * contextLength;
      const blocks = chosen?.widths.flat().reduce((sum, widths) => sum + rowBlocks(widths), 0) ?? 0;
      const scales = isPacked(kvCache) ? blocks * contextLength * 4 : 0;
      expect(bytes).toBe(kvBytes(kvCache, budget * whole) + scales);
      const expected = file.referenceDecoder(options).forward(text, 0);
      const errors = expected.flatMap((row, token) =>
        Array.from(row, (value, i) => Math.abs(value - (actual[token * row.length + i] as number))),
      );
      const largest = errors.reduce((worst, error) => Math.max(worst, error), 0);
      expect(largest).toBeLessThan(bound);
      expect(largest).toBeGreaterThan(0);
    },
    60_000,
  );

  // Cut along the context, gates and the ragged cache meet in other kernels.
  it.each([
    { kvCache: 'f32', splitFrom: undefined },
    { kvCache: 'f32', splitFrom: 0 },
    { kvCache: 'q8_0', splitFrom: undefined },
    { kvCache: 'q8_0', splitFrom: 0 },
    { kvCache: 'q4_0', splitFrom: 0 },
  ] as const)(
    'steps as the reference does, attention cut from a position on: %o',
    async ({ kvCache, splitFrom }) => {
      const options = { contextLength, kvCache, matryoshka: { budget: 0.5 } };
      const reference = file.referenceDecoder(options);
      const rows = reference.forward(text, 0);
      const expected = [indexOfLargest(rows[rows.length - 1] as Float64Array)];
      while (expected.length < 6) {
        const last = reference.forward(expected.slice(-1), text.length + expected.length - 1);
        expected.push(indexOfLargest(last[0] as Float64Array));
      }
      const settings = { ...options, ...(splitFrom === 0 ? { splitFrom } : {}) };
      const { decoder, dispose } = await file.decoder(gpu, settings);
      const actual = await greedyTokens(gpu, decoder, text, [7, 1, 4], expected.length);
      dispose();
      expect(actual).toEqual(expected);
    },
  );

  // Hardware's kernels: the projection makes coefficients and keeps the token itself.
  it.each([64, 0])(
    'answers alike with a dispatch less a layer where the projection keeps the token, cut from %i on',
    async (splitFrom) => {
      const hardware = await Gpu.create();
      Object.assign(hardware.capabilities, { software: false });
      const run = async (own: Gpu) => {
        const options = { contextLength, matryoshka: { budget: 0.5 }, splitFrom } as const;
        const { decoder, dispose } = await file.decoder(own, { ...options, kvCache: 'f32' });
        const before = own.stats().calls.dispatches;
        const tokens = await greedyTokens(own, decoder, text, [text.length], 4);
        const { dispatches } = own.stats().calls;
        dispose();
        return { tokens, dispatches: dispatches - before, layers: decoder.config.numHiddenLayers };
      };
      const plain = await run(gpu);
      const kept = await run(hardware);
      hardware.dispose();
      expect(kept.tokens).toEqual(plain.tokens);
      const steps = plain.tokens.length - 1;
      expect(plain.dispatches - kept.dispatches).toBe(steps * plain.layers);
    },
    180_000,
  );
});
