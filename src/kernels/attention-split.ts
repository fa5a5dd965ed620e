import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { AttentionUse } from './attention.ts';
import { languageShaders } from './language-shaders.ts';

/** Parts that the cached positions are cut into: enough workgroups to fill a large GPU with a few KV heads. */
export const attentionSplits = 32;

const workgroup = 64;
/** Query heads of a group whose sums an invocation holds in registers. */
const maxGroup = 16;

function variant(reduce: 'workgroup' | 'subgroup'): KernelVariant<AttentionUse> {
  return {
    name: reduce,
    unsupported: (use, { subgroups }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      if (use.headDim / 4 > workgroup) return `head dimension above ${workgroup * 4}`;
      return groupOf(use) > maxGroup ? `more than ${maxGroup} query heads a group` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: reduce === 'subgroup' ? ['subgroups'] : [],
      constants: {
        WORKGROUP: workgroup,
        SPLITS: attentionSplits,
        SUMS: groupOf(use),
        HEAD_DIM_VEC4S: use.headDim / 4,
      },
    }),
    workgroups: (use) => [use.kvHeads, attentionSplits, 1],
  };
}

function groupOf({ heads, kvHeads }: AttentionUse): number {
  return heads / kvHeads;
}

/** Attention of one token over the cache, in parts: [heads, splits, headDim] outputs and [heads, splits] (maximum, sum). */
export const attentionSplit: Kernel<AttentionUse> = defineKernel<AttentionUse>({
  name: 'attention-split',
  library: languageShaders,
  shader: 'attention/attention-split',
  params: { context_length: 'u32', window: 'u32', scale_log2e: 'f32' },
  paramValues: (use) => ({
    context_length: use.contextLength,
    window: use.window,
    scale_log2e: use.scale * Math.LOG2E,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<KvVec>', access: 'read' },
    { name: 'v_cache', type: 'array<KvVec>', access: 'read' },
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read_write' },
  ],
  variants: [variant('workgroup'), variant('subgroup')],
  preferred: () => ['subgroup', 'workgroup'],
});

/** Can the token's attention be cut for this model? */
export function canSplitAttention(use: AttentionUse): boolean {
  return use.headDim / 4 <= workgroup && groupOf(use) <= maxGroup;
}
