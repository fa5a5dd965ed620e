import type { SplatCloud } from '../formats/splat-cloud.ts';
import { viewTransform } from '../splats/camera.ts';
import type { ProjectedSplat } from '../splats/render.ref.ts';
import { projectAll } from '../splats/render.ref.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { randomCloud } from '../testing/splats.ts';
import { splatProjectReference } from './splat-project.ref.ts';
import { type TilePairsUse, tileBlock, tileBlocks, tilePixels } from './tile-count.ts';

/** Splats on their way to tiles: what `splat-project` wrote, and the order by depth. */
export interface TileScene {
  use: TilePairsUse;
  width: number;
  height: number;
  cloud: SplatCloud;
  cache: Float32Array<ArrayBuffer>;
  order: Uint32Array<ArrayBuffer>;
  draw: Uint32Array<ArrayBuffer>;
  /** In order of depth. */
  visible: readonly ProjectedSplat[];
}

/** A seeded scene in a picture whose sides are no multiples of a tile. */
export function tileScene(count: number, width: number, height: number, seed: number): TileScene {
  const cloud = randomCloud(count, 0, seed);
  const view = viewTransform({ position: [0, 0.2, 4], target: [0, 0, 0], fovY: 30 }, width, height);
  const { cache } = splatProjectReference(cloud, null, view, { first: 0, count });
  const visible = projectAll({ cloud, pose: null }, view)
    .filter(({ index }) => Number.isFinite(cache[index * 8]))
    .sort((a, b) => a.depth - b.depth);
  const order = new Uint32Array(Math.max(1, count)).fill(0);
  order.set(visible.map(({ index }) => index));
  return {
    use: {
      splats: count,
      columns: Math.ceil(width / tilePixels),
      rows: Math.ceil(height / tilePixels),
      capacity: count * 300,
    },
    width,
    height,
    cloud,
    cache: Float32Array.from(cache, (value) => (Number.isFinite(value) ? value : 0)),
    order,
    draw: Uint32Array.of(4, visible.length, 0, 0),
    visible,
  };
}

/** The pairs of tile and splat in order of depth, block by block. */
export function tilePairsReference(scene: TileScene): { tile: number; splat: number }[][] {
  const { columns, rows } = scene.use;
  const blocks: { tile: number; splat: number }[][] = Array.from(
    { length: tileBlocks(scene.use) },
    () => [],
  );
  scene.visible.forEach(({ index }, at) => {
    const box = boxOf(scene.cache, index);
    for (let row = Math.max(0, box.top); row < Math.min(rows, box.bottom); row += 1) {
      for (let column = Math.max(0, box.left); column < Math.min(columns, box.right); column += 1) {
        blocks[Math.floor(at / tileBlock)]?.push({ tile: row * columns + column, splat: index });
      }
    }
  });
  return blocks;
}

function boxOf(
  cache: Float32Array,
  splat: number,
): { left: number; top: number; right: number; bottom: number } {
  const [x, y] = [cache[splat * 8] as number, cache[splat * 8 + 1] as number];
  const packed = new Uint32Array(cache.buffer)[splat * 8 + 7] as number;
  const [halfX, halfY] = [halfOf(packed & 0xffff), halfOf(packed >>> 16)];
  return {
    left: Math.floor((x - halfX) / tilePixels),
    top: Math.floor((y - halfY) / tilePixels),
    right: Math.floor((x + halfX) / tilePixels) + 1,
    bottom: Math.floor((y + halfY) / tilePixels) + 1,
  };
}

/** Halves of ellipses are finite, positive and not denormal. */
function halfOf(bits: number): number {
  return (1 + (bits & 1023) / 1024) * 2 ** ((bits >> 10) - 15);
}

export const tileScenes: readonly { name: string; scene: TileScene }[] = [
  { name: 'one splat', scene: tileScene(1, 40, 30, 720) },
  { name: 'a block and one', scene: tileScene(257, 100, 50, 721) },
  { name: 'several blocks', scene: tileScene(700, 65, 129, 722) },
];

export const tileCountCases: readonly KernelCase<TilePairsUse>[] = tileScenes.map(
  ({ name, scene }) => ({
    name,
    use: scene.use,
    rows: 1,
    inputs: () => ({ draw: scene.draw, cache: scene.cache, order: scene.order }),
    outputs: () => ({
      counts: {
        values: Float64Array.from(tilePairsReference(scene), ({ length }) => length),
        storage: 'u32' as const,
      },
    }),
  }),
);
