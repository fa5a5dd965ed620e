import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { KvCacheFormat } from '../types.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `attention`: queries [tokens, heads, headDim] over K and V caches [kvHeads, contextLength, headDim]. */
export interface AttentionUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  /** Factor on q·k. */
  scale: number;
  /** Last positions that a token sees, its own included; 0 sees all. */
  window: number;
  kv: KvCacheFormat;
}

const serialWorkgroup = 16;
const cooperativeWorkgroup = 128;

const serial: KernelVariant<AttentionUse> = {
  name: 'serial',
  unsupported: () => null,
  options: (use) => ({
    choices: { kv: use.kv },
    constants: { WORKGROUP: serialWorkgroup, HEAD_DIM_VEC4S: use.headDim / 4 },
  }),
  workgroups: (use, tokens) => [Math.ceil(use.heads / serialWorkgroup), 1, tokens],
};

function cooperative(reduce: 'workgroup' | 'subgroup'): KernelVariant<AttentionUse> {
  return {
    name: `cooperative-${reduce}`,
    unsupported: (use, { subgroups }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      return use.headDim / 4 > cooperativeWorkgroup ? 'head dimension above 512' : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: ['cooperative', ...(reduce === 'subgroup' ? ['subgroups'] : [])],
      constants: { WORKGROUP: cooperativeWorkgroup, HEAD_DIM_VEC4S: use.headDim / 4, SUMS: 1 },
    }),
    workgroups: (use, tokens) => [use.heads, 1, tokens],
  };
}

/** Causal attention of the tokens of a pass over the cache. */
export const attention: Kernel<AttentionUse> = defineKernel<AttentionUse>({
  name: 'attention',
  library: languageShaders,
  shader: 'attention/attention',
  params: {
    heads: 'u32',
    group_size: 'u32',
    context_length: 'u32',
    window: 'u32',
    scale_log2e: 'f32',
  },
  paramValues: (use) => ({
    heads: use.heads,
    group_size: use.heads / use.kvHeads,
    context_length: use.contextLength,
    window: use.window,
    scale_log2e: use.scale * Math.LOG2E,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<KvVec>', access: 'read' },
    { name: 'v_cache', type: 'array<KvVec>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [serial, cooperative('workgroup'), cooperative('subgroup')],
  preferred: (_, { software }) =>
    software ? ['serial'] : ['cooperative-subgroup', 'cooperative-workgroup'],
});
