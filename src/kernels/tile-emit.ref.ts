import type { KernelCase } from '../testing/kernel-run.ts';
import { radixScanReference } from './radix-scan.ref.ts';
import { tilePairsReference, tileScenes } from './tile-count.ref.ts';
import type { TilePairsUse } from './tile-count.ts';

const roomy = tileScenes.map(({ name, scene }) => ({
  name,
  scene,
  capacity: scene.use.capacity,
  tooMany: false,
}));
const [, , large] = tileScenes;

/** With room for all, and with room for a hundred: the farthest pairs are dropped, also where they are too many to be counted. */
export const tileEmitCases: readonly KernelCase<TilePairsUse>[] = [
  ...roomy,
  ...(large
    ? [
        { name: 'too little room', scene: large.scene, capacity: 100, tooMany: false },
        { name: 'too many to count', scene: large.scene, capacity: 100, tooMany: true },
      ]
    : []),
].map(({ name, scene, capacity, tooMany }) => {
  const blocks = tilePairsReference(scene);
  const counts = Uint32Array.from(blocks, ({ length }) => length);
  const offsets = Uint32Array.from(radixScanReference(counts).subarray(0, counts.length));
  if (tooMany) offsets.fill(2 ** 32 - 1, 1);
  const pairs = blocks.flat().slice(0, capacity);
  return {
    name,
    use: { ...scene.use, capacity },
    rows: 1,
    inputs: () => ({ draw: scene.draw, cache: scene.cache, order: scene.order, offsets }),
    outputs: () => ({
      keys: { values: Float64Array.from(pairs, ({ tile }) => tile), storage: 'u32' as const },
      values: { values: Float64Array.from(pairs, ({ splat }) => splat), storage: 'u32' as const },
    }),
  };
});
