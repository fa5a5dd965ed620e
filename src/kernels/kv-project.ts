import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import type { WholeKv } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';

/** Components that a KV head keeps of its keys and of its values. */
export interface KeptWidths {
  keys: number;
  values: number;
}

/**
 * One use of `kv-project`: queries [tokens, heads, headDim], and `staged` keys and values [kvHeads, stagedRows, headDim] in single
 * precision, become coefficients of the bases [2 · kvHeads, headDim, headDim] of keys and of values: queries in `narrow_queries`, as
 * they were but for zeros at the end, keys and values in ragged caches [kvHeads][contextLength][width].
 */
export interface KvProjectUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  kv: WholeKv;
  /** Tokens that there is room for in `staged`. */
  stagedRows: number;
}

const workgroup = 64;

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

/** `head_widths`: for each KV head the components of keys before it, of its keys, of values before it, and of its values. */
export function packHeadWidths(widths: readonly KeptWidths[]): Uint32Array<ArrayBuffer> {
  const packed: number[] = [];
  let [keys, values] = [0, 0];
  for (const own of widths) {
    packed.push(keys, own.keys, values, own.values);
    keys += own.keys;
    values += own.values;
  }
  return Uint32Array.from(packed);
}

/** What kernels over ragged caches read the widths from. */
export const headWidthsBinding = {
  name: 'head_widths',
  type: 'array<vec4<u32>, KV_HEADS>',
  access: 'uniform',
} as const;

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
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'staged', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'basis', type: 'array<vec2<u32>>', access: 'read' },
    { name: 'mean', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'narrow_queries', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'k_cache', type: 'array<Stored>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Stored>', access: 'read_write' },
    headWidthsBinding,
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv },
        constants: {
          WORKGROUP: workgroup,
          HEAD_DIM_VEC4S: use.headDim / 4,
          KV_HEADS: use.kvHeads,
        },
      }),
      workgroups: (use, tokens) => {
        const quads = (use.heads + 2 * use.kvHeads) * (use.headDim / 4);
        return [Math.ceil(quads / workgroup), 1, tokens];
      },
    },
  ],
  preferred: () => ['plain'],
});
