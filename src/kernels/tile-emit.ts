import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';
import { type TilePairsUse, tileBlocks, tileVariants } from './tile-count.ts';

/** Writes the pairs of tile and splat in order of depth. */
export const tileEmit: Kernel<TilePairsUse> = defineKernel<TilePairsUse>({
  name: 'tile-emit',
  library: splatShaders,
  shader: 'splats/tile-emit',
  params: { splats: 'u32', columns: 'u32', rows: 'u32', blocks: 'u32', capacity: 'u32' },
  paramValues: (use) => ({
    splats: use.splats,
    columns: use.columns,
    rows: use.rows,
    blocks: tileBlocks(use),
    capacity: use.capacity,
  }),
  bindings: [
    { name: 'draw', type: 'array<u32>', access: 'read' },
    { name: 'cache', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'order', type: 'array<u32>', access: 'read' },
    { name: 'offsets', type: 'array<u32>', access: 'read' },
    { name: 'keys', type: 'array<u32>', access: 'read_write' },
    { name: 'values', type: 'array<u32>', access: 'read_write' },
  ],
  variants: tileVariants,
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel']),
});
