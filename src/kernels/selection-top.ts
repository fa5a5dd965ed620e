import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import { type SelectionUse, workingSet } from './selection-scores.ts';

/** Counters of a digit: 8 KB in all. */
const copies = 8;

function variant(workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `radix-${workgroup}`,
    unsupported: (_, { workgroupInvocations }) =>
      workgroupInvocations < workgroup ? `needs workgroups of ${workgroup}` : null,
    options: (use) => ({
      constants: {
        WORKGROUP: workgroup,
        COPIES: copies,
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...workingSet(use),
      },
    }),
    workgroups: () => [1, 1, 1],
  };
}

/** The candidates with the most votes, and what a pass does with the working set. */
export const selectionTop: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-top',
  library: languageShaders,
  shader: 'attention/selection-top',
  params: { heads: 'u32' },
  paramValues: (use) => ({ heads: use.heads }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'scales', type: 'Scales', access: 'read' },
    { name: 'votes', type: 'array<f32>', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'last_query', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'selection', type: 'Selection', access: 'read_write' },
    { name: 'working', type: 'State', access: 'read_write' },
  ],
  variants: [variant(64), variant(256), variant(1024)],
  preferred: (_, { software }) => (software ? ['radix-64'] : ['radix-1024', 'radix-256']),
});
