import { defineKernel, type Kernel } from '../../src/gpu/kernel.ts';
import { languageShaders } from '../../src/kernels/language-shaders.ts';
import naiveAttentionShader from './naive-attention.wgsl?raw';

export const naivePasses = ['scores', 'softmax', 'values'] as const;

/** A pass of three over causal attention of `heads` heads, each with keys of its own: queries and output [tokens, heads, headDim], keys and values [heads, tokens, headDim]. */
export interface NaiveAttentionUse {
  pass: (typeof naivePasses)[number];
  tokens: number;
  heads: number;
  headDim: number;
}

const workgroup = 256;

/** Attention as its formula reads, with scores [heads, tokens, tokens] in memory: what `attention` is compared with. */
export const naiveAttention: Kernel<NaiveAttentionUse> = defineKernel<NaiveAttentionUse>({
  name: 'naive-attention',
  library: { ...languageShaders, 'naive-attention': naiveAttentionShader },
  shader: 'naive-attention',
  params: { tokens: 'u32', heads: 'u32', head_vec4s: 'u32', scale: 'f32' },
  paramValues: ({ tokens, heads, headDim }) => ({
    tokens,
    heads,
    head_vec4s: headDim / 4,
    scale: headDim ** -0.5,
  }),
  bindings: [
    { ...halves('queries'), when: ({ pass }) => pass === 'scores' },
    { ...halves('keys'), when: ({ pass }) => pass === 'scores' },
    {
      name: 'scores',
      type: 'array<f32>',
      access: 'read_write',
      of: ({ pass }) => (pass === 'values' ? { access: 'read' } : {}),
    },
    { ...halves('values'), when: ({ pass }) => pass === 'values' },
    { ...halves('out'), access: 'read_write', when: ({ pass }) => pass === 'values' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: ({ pass }) => ({ flags: [pass], constants: { WORKGROUP: workgroup, SUMS: 1 } }),
      workgroups: ({ pass, tokens, heads, headDim }) => {
        if (pass === 'softmax') return [tokens, heads, 1];
        if (pass === 'values') return [Math.ceil((tokens * headDim) / 4 / workgroup), heads, 1];
        return [Math.ceil(tokens / 16), Math.ceil(tokens / 16), heads];
      },
    },
  ],
  preferred: () => ['plain'],
});

function halves(name: string): { name: string; type: string; access: 'read' } {
  return { name, type: 'array<vec2<u32>>', access: 'read' };
}
