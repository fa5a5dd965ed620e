import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { type AttentionUse, streamConstants, streamFlags, streamUnsupported } from './attention.ts';
import { headWidthsBinding, meanBinding, raggedConstants, raggedFlags } from './head-widths.ts';
import { isPacked, kvScalesBinding, packedFlags } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';

/** Workgroups that run side by side on a large GPU, two to a multiprocessor: one more would wait for the first to end. */
const workgroupsAtOnce = 256;
/** Pairs of keys that an invocation has under way at once: with two, half as many workgroups fit. */
const splitPairs = 1;

/** Parts that the cached positions are cut into, so that all KV heads together fill a large GPU once. */
export function attentionSplits(kvHeads: number): number {
  return Math.max(8, Math.min(64, Math.floor(workgroupsAtOnce / kvHeads)));
}

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
        SPLITS: attentionSplits(use.kvHeads),
        SUMS: groupOf(use),
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...raggedConstants(use),
        ...partsConstants(use),
      },
    }),
    workgroups: (use) => [use.kvHeads, attentionSplits(use.kvHeads), 1],
  };
}

function stream(workgroup: number, subgroup: number): KernelVariant<AttentionUse> {
  return {
    name: `stream-${subgroup}x${workgroup / subgroup}`,
    unsupported: (use, capabilities) => {
      const group = groupOf(use);
      if (group > maxStreamGroup) return `more than ${maxStreamGroup} query heads a group`;
      return streamUnsupported(use, group, workgroup, subgroup, capabilities);
    },
    options: (use) => ({
      choices: { kv: use.kv },
      flags: [...streamFlags(use), ...splitFlags(use), ...(fetchesAhead(use) ? ['ahead'] : [])],
      constants: {
        ...streamConstants(use, groupOf(use), workgroup, subgroup, splitPairs),
        SPLITS: attentionSplits(use.kvHeads),
        ...partsConstants(use),
      },
    }),
    workgroups: (use) => [use.kvHeads, attentionSplits(use.kvHeads), 1],
  };
}

/** Query heads of a group whose registers leave a workgroup alone on its multiprocessor. */
const aloneGroup = 5;

/** The next keys come while these are attended to: where half of them are few registers more, or where registers keep others away as it is. */
function fetchesAhead(use: AttentionUse): boolean {
  const halves = use.halfKeys === true || use.halfValues === true;
  return !isPacked(use.kv) && (halves || groupOf(use) >= aloneGroup);
}

function splitFlags(use: AttentionUse): string[] {
  return [
    ...(use.gated ? ['gated'] : []),
    ...packedFlags(use),
    ...raggedFlags(use),
    ...(use.parts ? ['parts'] : []),
  ];
}

function partsConstants(use: AttentionUse): Record<string, number> {
  return {
    GROUP: groupOf(use),
    HEAD_DIM_VEC4S: use.headDim / 4,
    ...(use.parts ? { QUERY_PARTS: use.parts } : {}),
  };
}

function groupOf({ heads, kvHeads }: Pick<AttentionUse, 'heads' | 'kvHeads'>): number {
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
    {
      name: 'k_cache',
      type: 'array<Cached>',
      access: 'read',
      of: ({ parts }) => (parts ? { access: 'read_write' } : {}),
    },
    { name: 'v_cache', type: 'array<Cached>', access: 'read' },
    kvScalesBinding,
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read_write' },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    headWidthsBinding,
    meanBinding,
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
export function canSplitAttention(
  use: Pick<AttentionUse, 'heads' | 'kvHeads' | 'headDim'>,
): boolean {
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
