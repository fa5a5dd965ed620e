import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import { type SelectionUse, selectionStrips, workingSet } from './selection-scores.ts';

const workgroup = 256;

/** The votes of all heads for every candidate. */
export const selectionVotes: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-votes',
  library: languageShaders,
  shader: 'attention/selection-votes',
  params: { context_length: 'u32' },
  paramValues: (use) => ({ context_length: use.contextLength }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selection', type: 'Selection', access: 'read' },
    { name: 'scores', type: 'array<f32>', access: 'read' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'votes', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        constants: {
          WORKGROUP: workgroup,
          HEADS: use.heads,
          STRIPS: selectionStrips,
          ...workingSet(use),
        },
      }),
      workgroups: (use) => [Math.ceil(use.contextLength / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
