import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import type { Activation } from './matvec.ts';

/** One use of `gated-activation`: y[tokens, columns] from x[tokens, 2·columns] = [gate | up]. */
export interface GatedActivationUse {
  activation: Activation;
  columns: number;
  /** Elements from one row of y to the next: columns padded to a multiple of 32. */
  yStride: number;
}

const workgroup = 64;

/** The gated linear unit's product for all tokens of a pass. */
export const gatedActivation: Kernel<GatedActivationUse> = defineKernel<GatedActivationUse>({
  name: 'gated-activation',
  library: languageShaders,
  shader: 'elementwise/gated-activation',
  params: { columns: 'u32', y_stride: 'u32' },
  paramValues: (use) => ({ columns: use.columns, y_stride: use.yStride }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'x', type: 'array<f32>', access: 'read' },
    { name: 'y', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { activation: use.activation },
        constants: { WORKGROUP: workgroup },
      }),
      workgroups: (use, tokens) => [Math.ceil(use.columns / workgroup), 1, tokens],
    },
  ],
  preferred: () => ['plain'],
});
