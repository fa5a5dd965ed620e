import { viewTransform } from '../splats/camera.ts';
import { renderReference } from '../splats/render.ref.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { type TileScene, tilePairsReference, tileScenes } from './tile-count.ref.ts';
import type { TileRasterUse } from './tile-raster.ts';

const background = [0.2, 0.4, 0.6, 0.5] as const;

/** The picture over a half-transparent background as bytes, rows padded to the stride; NaN where nothing is written. */
export function tileRasterReference(scene: TileScene, stride: number): Float64Array {
  const { width, height, cloud } = scene;
  const view = viewTransform({ position: [0, 0.2, 4], target: [0, 0, 0], fovY: 30 }, width, height);
  const image = renderReference([{ cloud, pose: null }], view);
  const bytes = new Float64Array(stride * height * 4).fill(Number.NaN);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + x) * 4;
      const behind = background[3] * (1 - (image[from + 3] as number));
      for (let c = 0; c < 4; c += 1) {
        const own = c === 3 ? 1 : (background[c] as number);
        const value = (image[from + c] as number) + behind * own;
        bytes[(y * stride + x) * 4 + c] = Math.min(1, value) * 255;
      }
    }
  }
  return bytes;
}

export const tileRasterCases: readonly KernelCase<TileRasterUse>[] = tileScenes.map(
  ({ name, scene }) => {
    const pairs = tilePairsReference(scene).flat();
    // Array.prototype.sort is stable: within a tile the order of depth stays.
    pairs.sort((a, b) => a.tile - b.tile);
    const stride = Math.ceil(scene.width / 64) * 64;
    const words = (select: (pair: { tile: number; splat: number }) => number) =>
      Uint32Array.from(pairs.length > 0 ? pairs : [{ tile: 0, splat: 0 }], select);
    return {
      name,
      use: {
        width: scene.width,
        height: scene.height,
        stride,
        capacity: Math.max(1, pairs.length),
      },
      rows: 1,
      tolerance: { nmse: 1e-4, because: 'the picture is rounded to bytes, and colours to halves' },
      inputs: () => ({
        background: Float32Array.of(...background),
        total: Uint32Array.of(pairs.length),
        keys: words(({ tile }) => tile),
        values: words(({ splat }) => splat),
        cache: scene.cache,
      }),
      outputs: () => ({
        image: { values: tileRasterReference(scene, stride), storage: 'u8' as const },
      }),
    };
  },
);
