import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import type { ShaderOptions } from '../gpu/wgsl-linker.ts';
import { basisConstants, headWidthsBinding, vectorLanes } from './head-widths.ts';
import type { WholeKv } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';

/**
 * One use of `kv-project`: queries [tokens, heads, headDim], and `staged` keys [kvHeads, stagedRows, headDim] in single precision, become
 * coefficients of the bases [kvHeads, headDim, headDim] of keys: queries in `narrow_queries`, as they were but for zeros at the end, keys in a
 * ragged cache [kvHeads][contextLength][width], and as many components of values as they keep in another.
 */
export interface KvProjectUse {
  /** 0: queries stay as they are. */
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  kv: WholeKv;
  /** Tokens that there is room for in `staged`. */
  stagedRows: number;
  /** Keys and values are put where they stand in the pass: on their way to a packed cache. */
  staged?: boolean;
}

const workgroup = 64;
/** Invocations that make a head. */
const maxHeadWorkgroup = 256;
/** Tokens of a pass for which a workgroup brings the basis of a head once. */
const headRows = 8;

/**
 * Bytes of the queries, and of the keys (as many as of the values), where a pass leaves all three in one buffer: a binding begins at a
 * multiple of 256.
 */
export function stagedBytes({
  heads,
  kvHeads,
  stagedRows,
  headDim,
}: Pick<KvProjectUse, 'heads' | 'kvHeads' | 'stagedRows' | 'headDim'>): {
  queries: number;
  keys: number;
} {
  const bytesOf = (count: number) => Math.ceil((count * stagedRows * headDim * 4) / 256) * 256;
  return { queries: bytesOf(heads), keys: bytesOf(kvHeads) };
}

function hasQueries({ heads }: KvProjectUse): boolean {
  return heads > 0;
}

/** Puts a pass into the caches of MatryoshkaKV. */
export const kvProject: Kernel<KvProjectUse> = defineKernel<KvProjectUse>({
  name: 'kv-project',
  library: languageShaders,
  shader: 'attention/kv-project',
  params: {
    heads: 'u32',
    kv_heads: 'u32',
    group_size: 'u32',
    context_length: 'u32',
    staged_rows: 'u32',
    first_value: 'u32',
  },
  paramValues: (use) => ({
    heads: use.heads,
    kv_heads: use.kvHeads,
    group_size: use.heads / use.kvHeads,
    context_length: use.contextLength,
    staged_rows: use.stagedRows,
    first_value: stagedBytes(use).keys / 16,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read', when: hasQueries },
    { name: 'staged', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'basis', type: 'array<vec2<u32>>', access: 'read' },
    {
      name: 'narrow_queries',
      type: 'array<vec4<f32>>',
      access: 'read_write',
      when: hasQueries,
    },
    { name: 'k_cache', type: 'array<Stored>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Stored>', access: 'read_write' },
    { ...headWidthsBinding, when: () => true },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => optionsOf(use, [], { WORKGROUP: workgroup }),
      workgroups: (use, tokens) => {
        const quads = headsOf(use) * (use.headDim / 4);
        return [Math.ceil(quads / workgroup), 1, tokens];
      },
    },
    {
      name: 'cooperative',
      unsupported: ({ headDim }, { minSubgroupSize, workgroupInvocations }) => {
        if (workgroupInvocations < maxHeadWorkgroup)
          return `needs workgroups of ${maxHeadWorkgroup}`;
        if (headDim > maxHeadWorkgroup) return `head dimension above ${maxHeadWorkgroup}`;
        return minSubgroupSize < vectorLanes ? `needs subgroups of at least ${vectorLanes}` : null;
      },
      options: (use) =>
        optionsOf(use, ['cooperative', 'subgroups'], {
          WORKGROUP: headWorkgroup(use),
          ROWS: headRows,
          ...basisConstants(use.headDim, use.headDim, headWorkgroup(use)),
        }),
      workgroups: (use, tokens) => [headsOf(use), 1, Math.ceil(tokens / headRows)],
    },
  ],
  preferred: (_, { software }) => (software ? ['plain'] : ['cooperative', 'plain']),
});

function headWorkgroup({ headDim }: KvProjectUse): number {
  return Math.min(maxHeadWorkgroup, vectorLanes * headDim);
}

function headsOf({ heads, kvHeads }: KvProjectUse): number {
  return heads + 2 * kvHeads;
}

function optionsOf(
  use: KvProjectUse,
  flags: readonly string[],
  constants: Record<string, number>,
): ShaderOptions {
  return {
    choices: { kv: use.kv },
    flags: [...flags, ...(use.staged ? ['staged'] : []), ...(hasQueries(use) ? ['queries'] : [])],
    constants: { ...constants, HEAD_DIM_VEC4S: use.headDim / 4, KV_HEADS: use.kvHeads },
  };
}
