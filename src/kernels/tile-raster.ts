import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { splatShaders } from './splat-shaders.ts';
import { tilePixels } from './tile-count.ts';

/** One use of `tile-raster`: a picture. */
export interface TileRasterUse {
  width: number;
  height: number;
  /** Pixels from one row of the image to the next. */
  stride: number;
  /** Pairs of tile and splat that there is room for. */
  capacity: number;
}

export function tilesAcross({ width }: { width: number }): number {
  return Math.ceil(width / tilePixels);
}

export function tilesDown({ height }: { height: number }): number {
  return Math.ceil(height / tilePixels);
}

/** Blends the splats of each tile into an image of bytes. */
export const tileRaster: Kernel<TileRasterUse> = defineKernel<TileRasterUse>({
  name: 'tile-raster',
  library: splatShaders,
  shader: 'splats/tile-raster',
  params: { columns: 'u32', width: 'u32', height: 'u32', stride: 'u32', capacity: 'u32' },
  paramValues: (use) => ({
    columns: tilesAcross(use),
    width: use.width,
    height: use.height,
    stride: use.stride,
    capacity: use.capacity,
  }),
  bindings: [
    { name: 'background', type: 'vec4<f32>', access: 'uniform' },
    { name: 'total', type: 'array<u32>', access: 'read' },
    { name: 'keys', type: 'array<u32>', access: 'read' },
    { name: 'values', type: 'array<u32>', access: 'read' },
    { name: 'cache', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'image', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'parallel',
      unsupported: () => null,
      options: () => ({ flags: ['parallel'] }),
      workgroups: (use) => [tilesAcross(use), tilesDown(use), 1],
    },
    {
      name: 'serial',
      unsupported: () => null,
      options: () => ({}),
      workgroups: (use) => [tilesAcross(use), tilesDown(use), 1],
    },
  ],
  preferred: (_, { software }) => (software ? ['serial'] : ['parallel']),
});
