import { defineKernel, type Kernel, type KernelVariant, spread } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';

/** One use of `tile-count` and `tile-emit`: a picture in tiles of 16 × 16 pixels. */
export interface TilePairsUse {
  /** Splats of the scene, visible or not. */
  splats: number;
  /** Tiles across and down. */
  columns: number;
  rows: number;
  /** Pairs of tile and splat that there is room for. */
  capacity: number;
}

/** Splats of a block. */
export const tileBlock: number = 256;
export const tilePixels: number = 16;

export function tileBlocks({ splats }: TilePairsUse): number {
  return Math.max(1, Math.ceil(splats / tileBlock));
}

/** A workgroup for each block, or one invocation, which needs no barrier. */
export const tileVariants: readonly KernelVariant<TilePairsUse>[] = [
  {
    name: 'parallel',
    unsupported: () => null,
    options: () => ({ flags: ['parallel'], constants: { WORKGROUP: tileBlock, BLOCK: tileBlock } }),
    workgroups: (use) => spread(tileBlocks(use)),
  },
  {
    name: 'serial',
    unsupported: () => null,
    options: () => ({ constants: { WORKGROUP: 16, BLOCK: tileBlock } }),
    workgroups: (use) => spread(Math.ceil(tileBlocks(use) / 16)),
  },
];

/** Counts the pairs of tile and splat of each block of splats: counts [blocks]. */
export const tileCount: Kernel<TilePairsUse> = defineKernel<TilePairsUse>({
  name: 'tile-count',
  library: splatShaders,
  shader: 'splats/tile-count',
  params: { splats: 'u32', columns: 'u32', rows: 'u32', blocks: 'u32' },
  paramValues: (use) => ({
    splats: use.splats,
    columns: use.columns,
    rows: use.rows,
    blocks: tileBlocks(use),
  }),
  bindings: [
    { name: 'draw', type: 'array<u32>', access: 'read' },
    { name: 'cache', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'order', type: 'array<u32>', access: 'read' },
    { name: 'counts', type: 'array<u32>', access: 'read_write' },
  ],
  variants: tileVariants,
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel']),
});
