import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import { type SelectionUse, workingSet } from './selection-query.ts';

/** Parts that the candidates are cut into. */
export const selectionStrips = 64;

function variant(
  name: string,
  reduce: 'none' | 'workgroup' | 'subgroup',
  workgroup: number,
): KernelVariant<SelectionUse> {
  const lanes = reduce === 'none' ? 1 : workgroup;
  return {
    name,
    unsupported: (use, { subgroups, workgroupStorageBytes }) => {
      if (reduce === 'none') return null;
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      const scratch = reduce === 'subgroup' ? workgroup / 4 : workgroup;
      const bytes = groupOf(use) * (use.headDim + 2 * scratch) * 4;
      return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: [
        ...(reduce === 'none' ? [] : ['shared']),
        ...(reduce === 'subgroup' ? ['subgroups'] : []),
      ],
      constants: {
        WORKGROUP: workgroup,
        LANES: lanes,
        SUMS: groupOf(use),
        STRIPS: selectionStrips,
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...workingSet(use),
      },
    }),
    workgroups: (use) => [(selectionStrips * lanes) / workgroup, use.kvHeads, 1],
  };
}

function groupOf({ heads, kvHeads }: SelectionUse): number {
  return heads / kvHeads;
}

/** q·k of every candidate and query head. */
export const selectionScores: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-scores',
  library: languageShaders,
  shader: 'attention/selection-scores',
  params: { context_length: 'u32' },
  paramValues: (use) => ({ context_length: use.contextLength }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selection', type: 'Selection', access: 'read' },
    { name: 'query', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Stored>', access: 'read' },
    { name: 'scores', type: 'array<f32>', access: 'read_write' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read_write' },
  ],
  variants: [
    variant('serial', 'none', 16),
    variant('workgroup', 'workgroup', 128),
    variant('subgroup', 'subgroup', 256),
  ],
  preferred: (_, { software }) => (software ? ['serial'] : ['subgroup', 'workgroup', 'serial']),
});
