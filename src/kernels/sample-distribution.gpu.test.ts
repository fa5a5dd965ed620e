import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { Random } from '../testing/random.ts';
import { samplerDistribution } from './sample.ref.ts';
import { packSampler, type SamplerSettings, sample } from './sample.ts';

const vocabulary = 257;
const draws = 400;

/** Tokens drawn one after the other from the same logits. */
async function drawMany(
  gpu: Gpu,
  logits: Float32Array<ArrayBuffer>,
  settings: SamplerSettings,
): Promise<Uint32Array> {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffers = {
    logits: gpu.createBuffer('logits', vocabulary * 4, usage),
    state: gpu.createBuffer('state', 96, usage),
    seen: gpu.createBuffer('seen', 64, usage),
    sampler: gpu.createBuffer('sampler', 32, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST),
  };
  const staging = gpu.createBuffer(
    'drawn',
    draws * 4,
    GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  );
  gpu.write(buffers.logits, 0, logits);
  gpu.write(buffers.sampler, 0, packSampler(settings));
  const use = { vocabulary, greedy: false };
  const dispatch = await prepareDispatch(gpu, sample, use, buffers);
  for (let i = 0; i < draws; i += 1) {
    gpu.submit([dispatch], 1, (encoder) =>
      encoder.copyBufferToBuffer(buffers.state, 16, staging, i * 4, 4),
    );
  }
  const drawn = new Uint32Array(await gpu.readStaging(staging, draws * 4));
  for (const buffer of [...Object.values(buffers), staging]) gpu.destroyBuffer(buffer);
  return drawn;
}

/** χ² of counts against probabilities, over the tokens that are expected often enough. */
function chiSquared(drawn: Uint32Array, expected: ReadonlyMap<number, number>): [number, number] {
  let sum = 0;
  let classes = 0;
  for (const [token, probability] of expected) {
    const wanted = probability * draws;
    if (wanted < 8) continue;
    const count = drawn.filter((drawnToken) => drawnToken === token).length;
    sum += (count - wanted) ** 2 / wanted;
    classes += 1;
  }
  return [sum, classes];
}

describe('sample draws from the filtered distribution', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => gpu.dispose());

  const logits = new Random(42).activations(vocabulary).map((value) => value * 2);
  const off = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 1 };
  /** More than an invocation each: where many are as good as the last one that is kept, they are not sorted. */
  const equals = new Float32Array(vocabulary).fill(1);
  equals[100] = 4;
  const cases: [string, SamplerSettings, Float32Array<ArrayBuffer>?][] = [
    ['no filter', off],
    ['temperature', { ...off, temperature: 0.6, seed: 2 }],
    ['top-k', { ...off, topK: 12, seed: 3 }],
    ['top-p', { ...off, topP: 0.7, seed: 4 }],
    ['min-p', { ...off, minP: 0.1, seed: 5 }],
    ['top-k of equals', { ...off, topK: 12, seed: 3 }, equals],
    ['all of them', { ...off, temperature: 0.8, topK: 40, topP: 0.9, minP: 0.02, seed: 6 }],
  ];

  it.each(cases)('%s', async (_, settings, given = logits) => {
    const expected = samplerDistribution(given, settings, new Set());
    const drawn = await drawMany(gpu, given, settings);
    expect([...drawn].filter((token) => !expected.has(token))).toEqual([]);
    const [sum, classes] = chiSquared(drawn, expected);
    // Six standard deviations of χ² above its mean: one false alarm in millions of seeds, and the seeds are fixed.
    expect(sum).toBeLessThan(classes + 6 * Math.sqrt(2 * classes));
  });

  it('repeats exactly with the same seed, and not with another', async () => {
    const [first, again, other] = [
      await drawMany(gpu, logits, { ...off, seed: 7 }),
      await drawMany(gpu, logits, { ...off, seed: 7 }),
      await drawMany(gpu, logits, { ...off, seed: 8 }),
    ];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});
