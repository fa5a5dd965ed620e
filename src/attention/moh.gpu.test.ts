import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { fetchFile } from '../testing/data.ts';
import { greedyTokens } from '../testing/greedy-tokens.ts';
import { indexOfLargest, ModelFile } from '../testing/model-file.ts';
import type { MohConfig } from './moh.ts';

const text = [54, 1190, 302, 75, 4211, 17, 903, 6];
const contextLength = 64;

/** Vitrail Small with its own router, or with its heads chosen by the norms of their queries, which it was not trained for. */
describe('Mixture-of-Head attention against double precision', () => {
  let gpu: Gpu;
  let bytes: Uint8Array;
  beforeAll(async () => {
    gpu = await Gpu.create();
    bytes = await fetchFile('/models/vitrail-small.gguf');
  }, 60_000);
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  const fileWith = (router: MohConfig['router']) =>
    new ModelFile(bytes, undefined, new Map([['vitrail.moh.router', router]]));

  it.each(['learned', 'query-norm'] as const)('gives the same logits: %s', async (router) => {
    const file = fileWith(router);
    const { decoder, dispose } = await file.decoder(gpu, { contextLength, kvCache: 'f32' });
    expect(decoder.config.moh?.router).toBe(router);
    const actual = await decoder.logits(text);
    dispose();
    const expected = file.referenceDecoder({ contextLength }).forward(text, 0);
    expect(largestError(actual, expected)).toBeLessThan(1e-3);
    const dense = file.referenceDecoder({ contextLength, moh: false }).forward(text, 0);
    expect(largestError(actual, dense)).toBeGreaterThan(0.1);
  });

  // Where attention is cut, gates are in the kernel that puts the parts together; the others leave queries in other places.
  it.each([
    { splitFrom: 0 },
    { matryoshka: { budget: 0.5 } },
    { tokenSelect: { initial: 4, selected: 32, local: 32, similarity: 0.9 } },
  ])('steps as the reference does, heads chosen by query norms: %o', async (options) => {
    const file = fileWith('query-norm');
    const reference = file.referenceDecoder({ contextLength, ...options });
    const rows = reference.forward(text, 0);
    const expected = [indexOfLargest(rows[rows.length - 1] as Float64Array)];
    while (expected.length < 4) {
      const last = reference.forward(expected.slice(-1), text.length + expected.length - 1);
      expected.push(indexOfLargest(last[0] as Float64Array));
    }
    const settings = { contextLength, kvCache: 'f32', ...options } as const;
    const { decoder, dispose } = await file.decoder(gpu, settings);
    const actual = await greedyTokens(gpu, decoder, text, [5, 1, 2], expected.length);
    dispose();
    expect(actual).toEqual(expected);
  });
});

function largestError(actual: Float32Array, expected: readonly Float64Array[]): number {
  const wanted = expected.flatMap((row) => [...row]);
  return wanted.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (actual[i] as number))),
    0,
  );
}
