import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { kvScalesBinding } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import {
  cacheConstants,
  cacheFlags,
  raggedBindings,
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
  selectionStrips,
} from './selection-use.ts';

/** Keys that an invocation has under way at once, and query heads whose queries it holds, in the stream variant. */
const streamKeys = 4;
const maxStreamGroup = 8;

function plain(workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `workgroup-${workgroup}`,
    unsupported: (use, { workgroupStorageBytes }) => {
      const bytes = groupOf(use) * (use.headDim + 2 * workgroup) * 4;
      return bytes > workgroupStorageBytes ? `needs ${bytes} bytes of workgroup memory` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce: 'workgroup' },
      flags: ['holds_queries', ...cacheFlags(use)],
      constants: constantsOf(use, workgroup),
    }),
    workgroups: workgroupsOf,
  };
}

function stream(workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `stream-${workgroup}`,
    unsupported: (use, { minSubgroupSize }) => {
      const lanes = use.headDim / 8;
      if (minSubgroupSize < lanes) return `needs subgroups of at least ${lanes}`;
      return groupOf(use) <= maxStreamGroup && [2, 4, 8, 16, 32].includes(lanes)
        ? null
        : `no ${groupOf(use)} heads of ${use.headDim}`;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce: 'subgroup' },
      flags: ['stream', 'subgroups', ...(use.ragged ? ['holds_queries'] : []), ...cacheFlags(use)],
      constants: { ...constantsOf(use, workgroup), KEYS: Math.min(streamKeys, use.headDim / 8) },
    }),
    workgroups: workgroupsOf,
  };
}

function constantsOf(use: SelectionUse, workgroup: number): Record<string, number> {
  return {
    WORKGROUP: workgroup,
    GROUP: groupOf(use),
    SUMS: groupOf(use),
    STRIPS: selectionStrips,
    ...cacheConstants(use),
    ...selectionConstants(use),
  };
}

function workgroupsOf({ kvHeads, layers }: SelectionUse): [number, number, number] {
  return [selectionStrips, kvHeads, layers];
}

function groupOf({ heads, kvHeads }: SelectionUse): number {
  return heads / kvHeads;
}

/** q·k of every candidate and query head, and of each strip the largest and the sum of exponentials relative to it. */
export const selectionScores: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-scores',
  library: languageShaders,
  shader: 'attention/selection-scores',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read' },
    kvScalesBinding,
    ...raggedBindings,
    { name: 'scores', type: 'array<f32>', access: 'read_write' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read_write' },
  ],
  variants: [plain(16), plain(64), stream(256)],
  preferred: (_, { software }) =>
    software ? ['workgroup-16'] : ['stream-256', 'workgroup-64', 'workgroup-16'],
});
