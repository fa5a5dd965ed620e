import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { randomCloud } from '../testing/splats.ts';
import { viewTransform } from './camera.ts';
import { SplatGeometry } from './geometry.ts';
import { fasterMethod, probeSide } from './measure.ts';

describe('the way of drawing that a measurement chooses', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    gpu = await Gpu.create();
  });
  afterAll(() => {
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });

  // On the software adapter one is several times faster than the other in both.
  it.each([
    ['quads', 'few splats', 6, 256],
    ['tiles', 'many in a small picture', 20_000, 64],
  ] as const)(
    'is %s for %s',
    async (expected, _, count, side) => {
      const geometry = await SplatGeometry.upload(gpu, randomCloud(count, 0, 930), null);
      const view = viewTransform({ position: [0, 0, 5], target: [0, 0, 0], fovY: 30 }, side, side);
      expect(await fasterMethod(gpu, [{ geometry, pose: null }], view)).toBe(expected);
      geometry.dispose();
    },
    60_000,
  );

  it('is measured in a picture of about the same size, of a few sizes in all', () => {
    const sides = [
      [30, 40],
      [90, 90],
      [200, 300],
      [512, 512],
      [1920, 1080],
      [5000, 4000],
    ].map(([width = 0, height = 0]) => ({ width, height }));
    expect(sides.map((size) => probeSide(size, false))).toEqual([32, 64, 256, 512, 1024, 1024]);
    expect(sides.map((size) => probeSide(size, true))).toEqual([32, 64, 128, 128, 128, 128]);
  });
});
