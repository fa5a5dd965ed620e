import type { KernelCase } from '../testing/kernel-run.ts';
import { radixScanReference } from './radix-scan.ref.ts';
import { tilePairsReference, tileScenes } from './tile-count.ref.ts';
import type { TilePairsUse } from './tile-count.ts';

const roomy = tileScenes.map(({ name, scene }) => ({ name, scene, capacity: scene.use.capacity }));
const [, , large] = tileScenes;

/** With room for all, and with room for a hundred: the farthest pairs are dropped. */
export const tileEmitCases: readonly KernelCase<TilePairsUse>[] = [
  ...roomy,
  ...(large ? [{ name: 'too little room', scene: large.scene, capacity: 100 }] : []),
].map(({ name, scene, capacity }) => {
  const blocks = tilePairsReference(scene);
  const counts = Uint32Array.from(blocks, ({ length }) => length);
  const pairs = blocks.flat().slice(0, capacity);
  return {
    name,
    use: { ...scene.use, capacity },
    rows: 1,
    inputs: () => ({
      draw: scene.draw,
      cache: scene.cache,
      order: scene.order,
      offsets: Uint32Array.from(radixScanReference(counts).subarray(0, counts.length)),
    }),
    outputs: () => ({
      keys: { values: Float64Array.from(pairs, ({ tile }) => tile), storage: 'u32' as const },
      values: { values: Float64Array.from(pairs, ({ splat }) => splat), storage: 'u32' as const },
    }),
  };
});
