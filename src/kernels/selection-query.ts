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
  /** Last tokens, those of the pass included, that are always attended to. */
  local: number;
  /** A token goes on with the last selection where its query's cosine with the one that selected is at least this. */
  similarity: number;
}

/** Sizes of the working set, as all kernels of TokenSelect know them. */
export function workingSet({
  initial,
  selected,
  local,
}: Pick<SelectionUse, 'initial' | 'selected' | 'local'>): Record<string, number> {
  return { INITIAL: initial, SELECTED: selected, LOCAL: local };
}

function variant(
  name: string,
  reduce: 'workgroup' | 'subgroup',
  workgroup: number,
): KernelVariant<SelectionUse> {
  return {
    name,
    unsupported: (_, { subgroups }) =>
      reduce === 'subgroup' && !subgroups ? 'needs subgroups' : null,
    options: (use) => ({
      choices: { reduce },
      flags: [
        ...(reduce === 'subgroup' ? ['subgroups'] : []),
        ...(use.interleaved ? ['interleaved'] : []),
      ],
      constants: {
        WORKGROUP: workgroup,
        SUMS: 3,
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...workingSet(use),
      },
    }),
    workgroups: () => [1, 1, 1],
  };
}

/** The query that selects, and whether it has to. */
export const selectionQuery: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-query',
  library: languageShaders,
  shader: 'attention/selection-query',
  params: { heads: 'u32', rope_dimensions: 'u32', similarity: 'f32' },
  paramValues: (use) => ({
    heads: use.heads,
    rope_dimensions: use.ropeDimensions,
    similarity: use.similarity,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'query', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'last_query', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'selection', type: 'Selection', access: 'read_write' },
    { name: 'working', type: 'State', access: 'read_write' },
  ],
  variants: [variant('workgroup', 'workgroup', 64), variant('subgroup', 'subgroup', 256)],
  preferred: (_, { software }) => (software ? ['workgroup'] : ['subgroup', 'workgroup']),
});
