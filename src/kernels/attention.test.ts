import { expect, it } from 'vitest';
import { quantFormat } from '../quant/registry.ts';
import { kernelTest } from '../testing/kernel-test.ts';
import { everything } from '../testing/linked-shaders.ts';
import { attentionCase, attentionCases } from './attention.ref.ts';
import { attention } from './attention.ts';

kernelTest(attention, attentionCases);

it('projects no heads over packed caches: both are decoded by functions of the same names', () => {
  const { use } = attentionCase({ headDim: 64 }, 3, 1);
  const summand = { format: quantFormat('q4_0'), rows: 96 };
  const running = (kv: 'f16' | 'q8_0') =>
    attention.variants
      .filter(({ unsupported }) => unsupported({ ...use, kv, summand }, everything) === null)
      .map(({ name }) => name);
  expect(running('f16')).toContain('stream-32x16');
  expect(running('q8_0')).toEqual([]);
});
