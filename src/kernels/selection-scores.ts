import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { KvCacheFormat } from '../types.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of TokenSelect's kernels: which tokens of a long context a layer attends to. */
export interface SelectionUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Tokens that the caches [kvHeads, contextLength, headDim] hold; their keys are not rotated. */
  contextLength: number;
  kv: KvCacheFormat;
  ropeDimensions: number;
  interleaved: boolean;
  /** First tokens of the context that are always attended to. */
  initial: number;
  /** Tokens between them and the local ones that are chosen. */
  selected: number;
  /** Last tokens that are attended to at most: see `keptOf`. */
  local: number;
  /** A token goes on with the last selection where its query's cosine with the one that selected is at least this. */
  similarity: number;
}

/** Parts that the candidates are cut into. */
export const selectionStrips = 64;

type WorkingSetSizes = Pick<SelectionUse, 'initial' | 'selected' | 'local'>;

/** Tokens that are attended to at most. */
export function capacityOf({ initial, selected, local }: WorkingSetSizes): number {
  return initial + selected + local;
}

/**
 * Last tokens that are attended to at least, and tokens of a pass at most: of `local` ones, an eighth is room for the tokens of steps
 * that go on with a selection.
 */
export function keptOf({ local }: Pick<WorkingSetSizes, 'local'>): number {
  return local - Math.max(1, Math.floor(local / 8));
}

/** Tokens of a working set just filled. */
export function filledOf(sizes: WorkingSetSizes): number {
  return sizes.initial + sizes.selected + keptOf(sizes);
}

/** Sizes of the working set, as all kernels of TokenSelect know them. */
export function workingSet(sizes: WorkingSetSizes): Record<string, number> {
  const { initial, selected, local } = sizes;
  return { INITIAL: initial, SELECTED: selected, LOCAL: local, KEPT: keptOf(sizes) };
}

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
        ...workingSet(use),
      },
    }),
    workgroups: (use) => [selectionStrips, use.kvHeads, 1],
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
  params: { context_length: 'u32' },
  paramValues: (use) => ({ context_length: use.contextLength }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selection', type: 'Selection', access: 'read' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Stored>', access: 'read' },
    { name: 'scores', type: 'array<f32>', access: 'read_write' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read_write' },
  ],
  variants: [variant('workgroup', 16), variant('workgroup', 64), variant('subgroup', 256)],
  preferred: (_, { software }) =>
    software ? ['workgroup-16'] : ['subgroup-256', 'workgroup-64', 'workgroup-16'],
});
