import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { headWidthsBinding, raggedConstants, raggedFlags } from './head-widths.ts';
import { type PackedKv, packedBlock } from './kv-format.ts';
import { stagedBytes } from './kv-project.ts';
import { languageShaders } from './language-shaders.ts';

/**
 * One use of `kv-quantize`: `staged` keys and values [kvHeads, stagedRows, headDim] of a pass, in single precision, go into packed caches
 * [kvHeads, contextLength, headDim], their scales into `kv_scales` [kvHeads, contextLength, headDim / 32] (key, value).
 */
export interface KvQuantizeUse {
  kvHeads: number;
  /** A multiple of 32. */
  headDim: number;
  contextLength: number;
  kv: PackedKv;
  /** Tokens that there is room for in `staged`. */
  stagedRows: number;
  /** Rows are as wide as `head_widths` says: [kvHeads][stagedRows][width], [kvHeads][contextLength][width]. */
  ragged?: boolean;
}

const workgroup = 64;

/** Puts a pass into the caches of 8 or 4 bits a component. */
export const kvQuantize: Kernel<KvQuantizeUse> = defineKernel<KvQuantizeUse>({
  name: 'kv-quantize',
  library: languageShaders,
  shader: 'attention/kv-quantize',
  params: { kv_heads: 'u32', context_length: 'u32', staged_rows: 'u32', first_value: 'u32' },
  paramValues: (use) => ({
    kv_heads: use.kvHeads,
    context_length: use.contextLength,
    staged_rows: use.stagedRows,
    first_value: stagedBytes({ ...use, heads: 0 }).keys / 16,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'staged', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read_write' },
    { name: 'kv_scales', type: 'array<u32>', access: 'read_write' },
    headWidthsBinding,
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv },
        flags: raggedFlags(use),
        constants: {
          WORKGROUP: workgroup,
          HEAD_BLOCKS: use.headDim / packedBlock,
          ...raggedConstants(use),
        },
      }),
      workgroups: (use, tokens) => {
        const blocks = tokens * use.kvHeads * (use.headDim / packedBlock);
        return [Math.ceil(blocks / workgroup), 1, 1];
      },
    },
  ],
  preferred: () => ['plain'],
});
