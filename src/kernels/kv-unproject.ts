import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { headWidthsBinding } from './kv-project.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `kv-unproject`: attended coefficients [tokens, heads, headDim] of values → outputs of the heads, of the same shape. */
export interface KvUnprojectUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** `gates` [tokens, heads] multiply the heads' outputs. */
  gated?: boolean;
  /** How the output is stored; single precision by default. */
  output?: 'f32' | 'f16';
}

const workgroup = 64;

/** Turns what attention made of the caches of MatryoshkaKV back into outputs of the heads. */
export const kvUnproject: Kernel<KvUnprojectUse> = defineKernel<KvUnprojectUse>({
  name: 'kv-unproject',
  library: languageShaders,
  shader: 'attention/kv-unproject',
  params: { heads: 'u32', kv_heads: 'u32', group_size: 'u32' },
  paramValues: (use) => ({
    heads: use.heads,
    kv_heads: use.kvHeads,
    group_size: use.heads / use.kvHeads,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'narrow', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'basis', type: 'array<vec2<u32>>', access: 'read' },
    { name: 'mean', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'out', type: 'array<Output>', access: 'read_write' },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    headWidthsBinding,
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        flags: [...(use.output === 'f16' ? ['half_output'] : []), ...(use.gated ? ['gated'] : [])],
        constants: {
          WORKGROUP: workgroup,
          HEAD_DIM_VEC4S: use.headDim / 4,
          KV_HEADS: use.kvHeads,
        },
      }),
      workgroups: (use, tokens) => [
        Math.ceil((use.heads * (use.headDim / 4)) / workgroup),
        1,
        tokens,
      ],
    },
  ],
  preferred: () => ['plain'],
});
