import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { Random } from '../testing/random.ts';
import { RadixSort } from './radix-sort.ts';

describe('radix sort', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  /** Sorts on the GPU, and by the stable sort of the language. */
  async function expectSorted(keys: Uint32Array<ArrayBuffer>, bits: number): Promise<void> {
    const capacity = Math.max(1, keys.length);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const keyBuffer = gpu.createBuffer('keys', capacity * 4, usage);
    const total = gpu.createBuffer('total', 4, usage);
    gpu.write(keyBuffer, 0, keys);
    gpu.write(total, 0, Uint32Array.of(keys.length));
    const sort = await RadixSort.prepare(gpu, {
      label: 'test',
      capacity,
      bits,
      total,
      keys: keyBuffer,
    });
    const bytes = Math.max(16, keys.length * 4);
    const staging = gpu.createBuffer(
      'staging',
      bytes,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
    gpu.submit(sort.dispatches, 1, (encoder) =>
      encoder.copyBufferToBuffer(sort.values, 0, staging, 0, Math.ceil(keys.length) * 4),
    );
    const sorted = new Uint32Array(await gpu.readStaging(staging, bytes), 0, keys.length);
    const mask = bits === 32 ? 0xffff_ffff : 2 ** bits - 1;
    const expected = Uint32Array.from(keys, (_, i) => i);
    const order = [...expected].sort(
      (a, b) => ((keys[a] as number) & mask) - ((keys[b] as number) & mask) || a - b,
    );
    if (bits === 32) order.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
    expect(sorted.findIndex((value, i) => value !== order[i])).toBe(-1);
    sort.dispose();
    for (const buffer of [keyBuffer, total, staging]) gpu.destroyBuffer(buffer);
  }

  const randomKeys = (count: number, bits: number): Uint32Array<ArrayBuffer> => {
    const random = new Random(count + bits);
    return Uint32Array.from({ length: count }, () => random.uniform() * 2 ** bits);
  };

  it.each([0, 1, 255, 256, 257, 2047, 2048, 2049, 100_000])('%i keys', async (count) => {
    await expectSorted(randomKeys(count, 16), 16);
  });

  it.each([10, 12, 16, 20, 24, 30, 32])('keys of %i bits', async (bits) => {
    await expectSorted(randomKeys(3000, bits), bits);
  });

  it('equal keys keep their order', async () => {
    await expectSorted(
      randomKeys(5000, 16).map((key) => key % 3),
      16,
    );
    await expectSorted(new Uint32Array(5000).fill(0xffff), 16);
  });

  it('sorts as on hardware, with two dispatches a pass', async () => {
    const software = { software: gpu.capabilities.software };
    Object.assign(gpu.capabilities, { software: false });
    try {
      const before = gpu.stats().calls.dispatches;
      await expectSorted(
        randomKeys(9000, 8).map((key) => key % 40),
        8,
      );
      expect(gpu.stats().calls.dispatches - before).toBe(4);
    } finally {
      Object.assign(gpu.capabilities, software);
    }
  }, 60_000);

  it('a million keys', async () => {
    await expectSorted(randomKeys(1_000_000, 32), 32);
  }, 60_000);
});
