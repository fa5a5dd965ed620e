import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  selectionStrips,
  strideParams,
  strideValues,
} from './selection-use.ts';

function variant(reduce: 'workgroup' | 'subgroup', workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `${reduce}-${workgroup}`,
    unsupported: (use, { subgroups, workgroupStorageBytes }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      const scratch = reduce === 'subgroup' ? workgroup / 4 : workgroup;
      const bytes = (groupOf(use) * use.headDim + 2 * scratch * groupOf(use)) * 4;
      return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: reduce === 'subgroup' ? ['subgroups'] : [],
      constants: {
        WORKGROUP: workgroup,
        GROUP: groupOf(use),
        SUMS: groupOf(use),
        STRIPS: selectionStrips,
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...selectionConstants(use),
      },
    }),
    workgroups: (use) => [selectionStrips, use.kvHeads, use.layers],
  };
}

function groupOf({ heads, kvHeads }: SelectionUse): number {
  return heads / kvHeads;
}

/** q·k of every candidate and query head, and of each strip the largest and the sum of exponentials relative to it. */
export const selectionScores: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-scores',
  library: languageShaders,
  shader: 'attention/selection-scores',
  params: { context_length: 'u32', ...strideParams },
  paramValues: (use) => ({ context_length: use.contextLength, ...strideValues(use) }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Stored>', access: 'read' },
    { name: 'scores', type: 'array<f32>', access: 'read_write' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read_write' },
  ],
  variants: [variant('workgroup', 16), variant('workgroup', 64), variant('subgroup', 256)],
  preferred: (_, { software }) =>
    software ? ['workgroup-16'] : ['subgroup-256', 'workgroup-64', 'workgroup-16'],
});
