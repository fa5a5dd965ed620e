import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `rank-boxes`: room for so many candidates. */
export interface RankBoxesUse {
  capacity: number;
}

const workgroup = 64;

/** Candidates by falling score, ties by rising cell. */
export const rankBoxes: Kernel<RankBoxesUse> = defineKernel<RankBoxesUse>({
  name: 'rank-boxes',
  library: visionShaders,
  shader: 'vision/rank-boxes',
  params: { capacity: 'u32' },
  paramValues: ({ capacity }) => ({ capacity }),
  bindings: [
    { name: 'count', type: 'array<u32>', access: 'read' },
    { name: 'candidates', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'ranked', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: () => ({ constants: { WORKGROUP: workgroup } }),
      workgroups: ({ capacity }) => [Math.ceil(capacity / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
