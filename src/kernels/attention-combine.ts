import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { attentionSplits } from './attention-split.ts';
import {
  addsUp,
  type SummandUse,
  summandBindings,
  summandOptions,
  summandParams,
  summandParamValues,
  summandUnsupported,
} from './head-summand.ts';
import { headWidthsBinding } from './kv-project.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `attention-combine`: the parts of `attention-split` → out [heads, headDim]. */
export interface AttentionCombineUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  /** `gates` [heads] multiply the heads' outputs. */
  gated?: boolean;
  /** The parts are of coefficients of bases (see kv-unproject). */
  ragged?: boolean;
  /** As in `attention`. */
  summand?: SummandUse;
}

const workgroup = 32;
/** Of a head whose summand of the output projection is made. */
const summandWorkgroup = 256;
/** Invocations that share four components of a head, where they are made of coefficients. */
const raggedParts = 4;

function isRagged({ ragged }: AttentionCombineUse): boolean {
  return ragged === true;
}

/** Puts the parts of a token's attention together. */
export const attentionCombine: Kernel<AttentionCombineUse> = defineKernel<AttentionCombineUse>({
  name: 'attention-combine',
  library: languageShaders,
  shader: 'attention/attention-combine',
  params: { heads: 'u32', kv_heads: 'u32', group_size: 'u32', ...summandParams },
  paramValues: (use) => ({
    ...summandParamValues(use),
    heads: use.heads,
    kv_heads: use.kvHeads,
    group_size: use.heads / use.kvHeads,
  }),
  bindings: [
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write', when: (use) => !addsUp(use) },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    { name: 'basis', type: 'array<vec2<u32>>', access: 'read', when: isRagged },
    { name: 'mean', type: 'array<vec4<f32>>', access: 'read', when: isRagged },
    { ...headWidthsBinding, when: isRagged },
    ...summandBindings,
  ],
  variants: [
    {
      name: 'summands',
      unsupported: (use, { workgroupInvocations }) => {
        if (!addsUp(use) || use.ragged) return 'makes summands';
        if (workgroupInvocations < summandWorkgroup) {
          return `needs workgroups of ${summandWorkgroup}`;
        }
        const quads = use.headDim / 4;
        return summandWorkgroup % quads === 0
          ? summandUnsupported(use)
          : `no head of ${use.headDim}`;
      },
      options: (use) => {
        const { choices, flags, constants } = summandOptions(use, summandWorkgroup);
        return {
          choices,
          flags: [...(use.gated ? ['gated'] : []), ...flags],
          constants: {
            WORKGROUP: summandWorkgroup,
            SPLITS: attentionSplits(use.kvHeads),
            HEAD_DIM_VEC4S: use.headDim / 4,
            ...constants,
          },
        };
      },
      workgroups: (use) => [use.heads, 1, 1],
    },
    {
      name: 'plain',
      unsupported: (use) => (addsUp(use) ? 'leaves outputs alone' : null),
      options: (use) => ({
        flags: [...(use.gated ? ['gated'] : []), ...(use.ragged ? ['ragged'] : [])],
        constants: {
          WORKGROUP: use.ragged ? (use.headDim / 4) * raggedParts : workgroup,
          SPLITS: attentionSplits(use.kvHeads),
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...(use.ragged ? { KV_HEADS: use.kvHeads } : {}),
        },
      }),
      workgroups: (use) =>
        use.ragged
          ? [use.heads, 1, 1]
          : [Math.ceil((use.heads * use.headDim) / 4 / workgroup), 1, 1],
    },
  ],
  preferred: () => ['plain', 'summands'],
});
