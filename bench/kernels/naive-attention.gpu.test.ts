import { expect, test } from 'vitest';
import { Gpu } from '../../src/gpu/gpu.ts';
import { prepareDispatch } from '../../src/gpu/kernel.ts';
import { attentionReference } from '../../src/kernels/attention.ref.ts';
import { halfToNumber } from '../../src/quant/half.ts';
import { Random } from '../../src/testing/random.ts';
import { asHalves, roundedToHalf } from '../../src/testing/weights.ts';
import { naiveAttention, naivePasses } from './naive-attention.ts';

test('three passes give what attention gives', async () => {
  const [tokens, heads, headDim] = [300, 3, 16];
  const gpu = await Gpu.create();
  const random = new Random(1401);
  const length = tokens * heads * headDim;
  const inputs = {
    queries: roundedToHalf(random.activations(length)),
    keys: roundedToHalf(random.activations(length)),
    values: roundedToHalf(random.activations(length)),
  };
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const create = (name: string, bytes: number) =>
    gpu.createBuffer(name, bytes, STORAGE | COPY_SRC | COPY_DST);
  const out = create('out', 2 * length);
  const buffers: Record<string, GPUBuffer> = {
    scores: create('scores', 4 * heads * tokens ** 2),
    out,
  };
  for (const [name, values] of Object.entries(inputs)) {
    const buffer = create(name, 2 * length);
    gpu.write(buffer, 0, asHalves(values));
    buffers[name] = buffer;
  }
  const passes = naivePasses.map((pass) =>
    prepareDispatch(gpu, naiveAttention, { pass, tokens, heads, headDim }, buffers),
  );
  gpu.submit(await Promise.all(passes), tokens);

  const found = new Uint16Array((await gpu.readBuffers([out])).buffer);
  const use = { heads, kvHeads: heads, headDim, contextLength: tokens, scale: headDim ** -0.5 };
  const exact = attentionReference(
    { ...use, window: 0, kv: 'f16' },
    { ...inputs, position: 0, tokens },
  );
  exact.forEach((value, i) => {
    expect(halfToNumber(found[i] ?? 0)).toBeCloseTo(value, 2);
  });
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  gpu.dispose();
});
