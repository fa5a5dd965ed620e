import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
} from './selection-use.ts';

/** Counters of a digit: 8 KB in all. */
const copies = 8;
/** Loads of an invocation that are under way at once. */
const unroll = 4;

function variant(workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `radix-${workgroup}`,
    unsupported: (_, { workgroupInvocations }) =>
      workgroupInvocations < workgroup ? `needs workgroups of ${workgroup}` : null,
    options: (use) => ({
      constants: {
        WORKGROUP: workgroup,
        COPIES: copies,
        UNROLL: unroll,
        ...selectionConstants(use),
      },
    }),
    workgroups: (use) => [1, 1, use.layers],
  };
}

/** The candidates with the most votes. */
export const selectionTop: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-top',
  library: languageShaders,
  shader: 'attention/selection-top',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read_write' },
    { name: 'votes', type: 'array<vec4<f32>>', access: 'read' },
  ],
  variants: [variant(64), variant(256), variant(1024)],
  preferred: (_, { software }) => (software ? ['radix-64'] : ['radix-1024', 'radix-256']),
});
