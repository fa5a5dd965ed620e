import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `last-row`: y[columns] = the last row of x[tokens, columns]. */
export interface LastRowUse {
  /** A multiple of 4. */
  columns: number;
  /** How x is stored. */
  x: 'f32' | 'f16';
}

const workgroup = 64;

/** The last token of a pass, taken out of it. */
export const lastRow: Kernel<LastRowUse> = defineKernel<LastRowUse>({
  name: 'last-row',
  library: languageShaders,
  shader: 'elementwise/last-row',
  params: { quads: 'u32' },
  paramValues: (use) => ({ quads: use.columns / 4 }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'x', type: 'array<Stored>', access: 'read' },
    { name: 'y', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({ choices: { x: use.x }, constants: { WORKGROUP: workgroup } }),
      workgroups: (use) => [Math.ceil(use.columns / 4 / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
