import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { attentionSplits } from './attention-split.ts';
import {
  addsUp,
  type SummandUse,
  summandBindings,
  summandOptions,
  summandParams,
  summandParamValues,
  summandParts,
  summandUnsupported,
} from './head-summand.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `attention-combine`: the parts of `attention-split` → out [heads, headDim]. */
export interface AttentionCombineUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** `gates` [heads] multiply the heads' outputs. */
  gated?: boolean;
  /** As in `attention`. */
  summand?: SummandUse;
}

const workgroup = 32;
/** Of a head whose summand of the output projection is made. */
const summandWorkgroup = 256;

/** Puts the parts of a token's attention together. */
export const attentionCombine: Kernel<AttentionCombineUse> = defineKernel<AttentionCombineUse>({
  name: 'attention-combine',
  library: languageShaders,
  shader: 'attention/attention-combine',
  params: { heads: 'u32', ...summandParams },
  paramValues: (use) => ({
    ...summandParamValues(use),
    heads: use.heads,
  }),
  bindings: [
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write', when: (use) => !addsUp(use) },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    ...summandBindings,
  ],
  variants: [
    {
      name: 'summands',
      unsupported: (use, capabilities) => {
        if (!addsUp(use)) return 'makes summands';
        return capabilities.workgroupInvocations < summandWorkgroup
          ? `needs workgroups of ${summandWorkgroup}`
          : summandUnsupported(use, capabilities);
      },
      options: (use) => {
        const { choices, flags, constants } = summandOptions(use);
        return {
          choices,
          flags: ['subgroups', ...(use.gated ? ['gated'] : []), ...flags],
          constants: {
            WORKGROUP: summandWorkgroup,
            SPLITS: attentionSplits(use.kvHeads),
            HEAD_DIM_VEC4S: use.headDim / 4,
            ...constants,
          },
        };
      },
      workgroups: (use) => [use.heads, summandParts(use, summandWorkgroup), 1],
    },
    {
      name: 'plain',
      unsupported: (use) => (addsUp(use) ? 'leaves outputs alone' : null),
      options: (use) => ({
        flags: use.gated ? ['gated'] : [],
        constants: {
          WORKGROUP: workgroup,
          SPLITS: attentionSplits(use.kvHeads),
          HEAD_DIM_VEC4S: use.headDim / 4,
        },
      }),
      workgroups: (use) => [Math.ceil((use.heads * use.headDim) / 4 / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain', 'summands'],
});
