import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
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

function variant(name: string, flags: readonly string[]): KernelVariant<AttentionCombineUse> {
  return {
    name,
    unsupported: (use, capabilities) => {
      const { workgroupInvocations, minSubgroupSize } = capabilities;
      if (workgroupInvocations < workgroup) return `needs workgroups of ${workgroup}`;
      const shares = sharesOf(use);
      const areNeighbours = shares * (use.headDim / 4) === workgroup && shares <= minSubgroupSize;
      if (flags.includes('shuffled') && !areNeighbours) return `does not shuffle ${shares}`;
      return summandUnsupported(use, capabilities);
    },
    options: (use) => {
      const summand = summandOptions(use);
      return {
        choices: summand.choices,
        flags: [
          ...flags,
          ...(addsUp(use) && !flags.includes('subgroups') ? ['subgroups'] : []),
          ...(use.gated ? ['gated'] : []),
          ...summand.flags,
        ],
        constants: {
          WORKGROUP: workgroup,
          SPLITS: attentionSplits(use.kvHeads),
          TURNS: Math.ceil(attentionSplits(use.kvHeads) / sharesOf(use)),
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...summand.constants,
        },
      };
    },
    workgroups: (use) => [use.heads, summandParts(use, workgroup), 1],
  };
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
  variants: [variant('cooperative', []), variant('shuffled', ['shuffled', 'subgroups'])],
  preferred: () => ['shuffled', 'cooperative'],
});
