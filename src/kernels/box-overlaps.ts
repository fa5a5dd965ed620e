import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `box-overlaps`: room for so many candidates, a multiple of 32. */
export interface BoxOverlapsUse {
  capacity: number;
}

const workgroup = 64;

/** Which later candidates each candidate would hide, a bit each. */
export const boxOverlaps: Kernel<BoxOverlapsUse> = defineKernel<BoxOverlapsUse>({
  name: 'box-overlaps',
  library: visionShaders,
  shader: 'vision/box-overlaps',
  params: { capacity: 'u32' },
  paramValues: ({ capacity }) => ({ capacity }),
  bindings: [
    { name: 'settings', type: 'FrameSettings', access: 'read' },
    { name: 'count', type: 'array<u32>', access: 'read' },
    { name: 'ranked', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'overlaps', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: () => ({ constants: { WORKGROUP: workgroup } }),
      workgroups: ({ capacity }) => [Math.ceil((capacity * capacity) / 32 / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
