import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import type { Activation } from './matvec.ts';

/** One use of `gated-activation`: y[tokens, columns] from x[tokens, 2·columns] = [gate | up]. */
export interface GatedActivationUse {
  activation: Activation;
  /** A multiple of 4. */
  columns: number;
  /** Elements from one row of y to the next: columns padded to a multiple of 32. */
  yStride: number;
  /** How y is stored; single precision by default. */
  y?: 'f32' | 'f16';
}

const workgroup = 256;

/** The gated linear unit's product for all tokens of a pass. */
export const gatedActivation: Kernel<GatedActivationUse> = defineKernel<GatedActivationUse>({
  name: 'gated-activation',
  library: languageShaders,
  shader: 'elementwise/gated-activation',
  params: { quads: 'u32', y_stride_quads: 'u32' },
  paramValues: (use) => ({ quads: use.columns / 4, y_stride_quads: use.yStride / 4 }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'x', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'y', type: 'array<Stored>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { activation: use.activation, y: use.y ?? 'f32' },
        constants: { WORKGROUP: workgroup },
      }),
      workgroups: (use, tokens) => [Math.ceil(use.columns / 4 / workgroup), 1, tokens],
    },
  ],
  preferred: () => ['plain'],
});
