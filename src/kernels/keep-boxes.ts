import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `keep-boxes`. */
export interface KeepBoxesUse {
  capacity: number;
  /** Boxes kept at most. */
  limit: number;
}

/** Greedy non-maximum suppression over the overlap bits. */
export const keepBoxes: Kernel<KeepBoxesUse> = defineKernel<KeepBoxesUse>({
  name: 'keep-boxes',
  library: visionShaders,
  shader: 'vision/keep-boxes',
  params: { limit: 'u32' },
  paramValues: ({ limit }) => ({ limit }),
  bindings: [
    { name: 'count', type: 'array<u32>', access: 'read_write' },
    { name: 'ranked', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'overlaps', type: 'array<u32>', access: 'read' },
    { name: 'result', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: ({ capacity }) => ({ constants: { CAPACITY: capacity } }),
      workgroups: () => [1, 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
