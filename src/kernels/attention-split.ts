import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import {
  type AttentionUse,
  raggedConstants,
  raggedFlags,
  streamConstants,
  streamUnsupported,
} from './attention.ts';
import { headWidthsBinding } from './kv-project.ts';
import { languageShaders } from './language-shaders.ts';

/** Parts that the cached positions are cut into: enough workgroups to fill a large GPU with a few KV heads. */
export const attentionSplits = 32;

/** Query heads of a group whose sums an invocation holds in registers. */
const maxGroup = 16;
/** The same for the stream variants, whose invocations hold outputs too. */
const maxStreamGroup = 8;

function variant(reduce: 'workgroup' | 'subgroup', workgroup: number): KernelVariant<AttentionUse> {
  return {
    name: `${reduce}-${workgroup}`,
    unsupported: (use, { subgroups }) => {
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      if (use.headDim > 4 * workgroup) return `head dimension above ${workgroup * 4}`;
      return groupOf(use) > maxGroup ? `more than ${maxGroup} query heads a group` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: [...(reduce === 'subgroup' ? ['subgroups'] : []), ...splitFlags(use)],
      constants: {
        WORKGROUP: workgroup,
        SPLITS: attentionSplits,
        SUMS: groupOf(use),
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...raggedConstants(use),
      },
    }),
    workgroups: (use) => [use.kvHeads, attentionSplits, 1],
  };
}

function stream(workgroup: number, subgroup: number): KernelVariant<AttentionUse> {
  return {
    name: `stream-${subgroup}x${workgroup / subgroup}`,
    unsupported: (use, capabilities) =>
      groupOf(use) > maxStreamGroup
        ? `more than ${maxStreamGroup} query heads a group`
        : streamUnsupported(use, groupOf(use), workgroup, subgroup, capabilities),
    options: (use) => ({
      choices: { kv: use.kv },
      flags: ['stream', 'subgroups', ...splitFlags(use)],
      constants: {
        ...streamConstants(use, groupOf(use), workgroup, subgroup),
        SPLITS: attentionSplits,
      },
    }),
    workgroups: (use) => [use.kvHeads, attentionSplits, 1],
  };
}

function splitFlags(use: AttentionUse): string[] {
  return [...(use.gated ? ['gated'] : []), ...raggedFlags(use)];
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
    { name: 'k_cache', type: 'array<Cached>', access: 'read' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read' },
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read_write' },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    { ...headWidthsBinding, when: (use) => use.ragged === true },
  ],
  variants: [
    variant('workgroup', 64),
    variant('subgroup', 128),
    stream(256, 32),
    // For subgroups of 4, which software adapters have: chosen nowhere, checked everywhere.
    stream(32, 4),
  ],
  preferred: () => ['stream-32x8', 'subgroup-128', 'workgroup-64'],
});

/** Can the token's attention be cut for this model? */
export function canSplitAttention(use: AttentionUse): boolean {
  return use.headDim <= 256 && groupOf(use) <= maxGroup;
}

/**
 * Position from which attention of one token pays to be cut. The uncut kernel for subgroups keeps up for long (14 µs against 8.7 at 2,048 on
 * an H200, 4.4 against 8.6 at 128), the one without them does not. A software adapter has no such number of units to fill.
 */
export function splitFrom({ software, minSubgroupSize }: Capabilities): number {
  if (software) return Number.POSITIVE_INFINITY;
  return minSubgroupSize >= 32 ? 1024 : 64;
}
