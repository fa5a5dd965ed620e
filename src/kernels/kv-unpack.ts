import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { headWidthsBinding, meanBinding, raggedConstants, raggedFlags } from './head-widths.ts';
import type { KvQuantizeUse } from './kv-quantize.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `kv-unpack`: packed caches up to the end of a pass → `keys` and `values` [kvHeads, contextLength, headDim] in halves. */
export type KvUnpackUse = Omit<KvQuantizeUse, 'stagedRows'>;

const workgroup = 256;
/** They fill a large GPU, and go on as long as there is anything left to do. */
const workgroups = 512;

/** Makes halves of packed caches, for attention by subgroup matrices. */
export const kvUnpack: Kernel<KvUnpackUse> = defineKernel<KvUnpackUse>({
  name: 'kv-unpack',
  library: languageShaders,
  shader: 'attention/kv-unpack',
  params: { kv_heads: 'u32', context_length: 'u32' },
  paramValues: (use) => ({ kv_heads: use.kvHeads, context_length: use.contextLength }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read' },
    { name: 'kv_scales', type: 'array<u32>', access: 'read' },
    { name: 'keys', type: 'array<vec4<u32>>', access: 'read_write' },
    { name: 'values', type: 'array<vec4<u32>>', access: 'read_write' },
    headWidthsBinding,
    meanBinding,
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv },
        flags: ['packed', ...raggedFlags(use)],
        constants: {
          WORKGROUP: workgroup,
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...raggedConstants(use),
        },
      }),
      workgroups: () => [workgroups, 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
