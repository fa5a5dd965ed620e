import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { attentionSplits } from './attention-split.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `attention-combine`: the parts of `attention-split` → out [heads, headDim]. */
export interface AttentionCombineUse {
  heads: number;
  headDim: number;
  /** `gates` [heads] multiply the heads' outputs. */
  gated?: boolean;
}

const workgroup = 32;

/** Puts the parts of a token's attention together. */
export const attentionCombine: Kernel<AttentionCombineUse> = defineKernel<AttentionCombineUse>({
  name: 'attention-combine',
  library: languageShaders,
  shader: 'attention/attention-combine',
  params: { heads: 'u32' },
  paramValues: (use) => ({ heads: use.heads }),
  bindings: [
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        flags: use.gated ? ['gated'] : [],
        constants: {
          WORKGROUP: workgroup,
          SPLITS: attentionSplits,
          HEAD_DIM_VEC4S: use.headDim / 4,
        },
      }),
      workgroups: (use) => [Math.ceil((use.heads * use.headDim) / 4 / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
