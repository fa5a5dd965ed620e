import { expect, it } from 'vitest';
import { chooseVariant } from '../gpu/kernel.ts';
import { quantFormat } from '../quant/registry.ts';
import { kernelTest } from '../testing/kernel-test.ts';
import { everything } from '../testing/linked-shaders.ts';
import { attentionCase, attentionCases } from './attention.ref.ts';
import { attention, attentionPassSizes } from './attention.ts';

kernelTest(attention, attentionCases);

it('projects no heads over packed caches: both are decoded by functions of the same names', () => {
  const { use } = attentionCase({ headDim: 64 }, 3, 1);
  const summand = { format: quantFormat('q4_0'), rows: 96 };
  const running = (kv: 'f16' | 'q8_0') =>
    attention.variants
      .filter(({ unsupported }) => unsupported({ ...use, kv, summand }, everything) === null)
      .map(({ name }) => name);
  expect(running('f16')).toContain('stream-32x12');
  expect(running('q8_0')).toEqual([]);
});

it('takes the tiles that a pass of a model has enough of, where workgroup memory holds them', () => {
  const tiles = (heads: number, headDim: number, workgroupStorageBytes = 49_152) => {
    const use = { ...attentionCase({ headDim, kv: 'f16', many: true }, 0, 1).use, heads };
    const capabilities = { ...everything, workgroupStorageBytes };
    return attentionPassSizes(use).map((leastTokens) => [
      leastTokens,
      chooseVariant(attention, { ...use, leastTokens }, capabilities).name,
    ]);
  };
  expect(tiles(32, 64)).toEqual([
    [0, 'matrix-32x32'],
    [700, 'matrix-64x32'],
    [1600, 'matrix-128x16'],
  ]);
  expect(tiles(9, 64)[1]?.[0]).toBeGreaterThan(2048);
  expect(tiles(32, 128).map(([, name]) => name)).toEqual([
    'matrix-32x32',
    'matrix-32x32',
    'matrix-128x16',
  ]);
  expect(tiles(32, 64, 16_384).map(([, name]) => name)).toEqual(
    new Array(3).fill('cooperative-subgroup-128'),
  );
});
