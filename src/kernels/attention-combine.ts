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

/** Invocations of a head: a head of 256 still has four to share its parts. */
const workgroup = 256;

/** Invocations that take the same four components. */
function sharesOf({ headDim }: AttentionCombineUse): number {
  return Math.floor(workgroup / (headDim / 4));
}

/** Puts the parts of a token's attention together. */
export const attentionCombine: Kernel<AttentionCombineUse> = defineKernel<AttentionCombineUse>({
  name: 'attention-combine',
  library: languageShaders,
  shader: 'attention/attention-combine',
  params: { heads: 'u32', ...summandParams },
  paramValues: (use) => ({ heads: use.heads, ...summandParamValues(use) }),
  bindings: [
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write', when: (use) => !addsUp(use) },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    ...summandBindings,
  ],
  variants: [
    {
      name: 'cooperative',
      unsupported: (use, capabilities) => {
        if (capabilities.workgroupInvocations < workgroup)
          return `needs workgroups of ${workgroup}`;
        return summandUnsupported(use, capabilities);
      },
      options: (use) => {
        const { choices, flags, constants } = summandOptions(use);
        return {
          choices,
          flags: [...(addsUp(use) ? ['subgroups'] : []), ...(use.gated ? ['gated'] : []), ...flags],
          constants: {
            WORKGROUP: workgroup,
            SPLITS: attentionSplits(use.kvHeads),
            TURNS: Math.ceil(attentionSplits(use.kvHeads) / sharesOf(use)),
            HEAD_DIM_VEC4S: use.headDim / 4,
            ...constants,
          },
        };
      },
      workgroups: (use) => [use.heads, summandParts(use, workgroup), 1],
    },
  ],
  preferred: () => ['cooperative'],
});
