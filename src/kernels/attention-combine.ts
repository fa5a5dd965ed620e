import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type AttentionSplitUse, attentionSplits, projects } from './attention-split.ts';
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
import { headWidthsBinding, raggedConstants, raggedFlags } from './head-widths.ts';
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
  /** The token is put into ragged caches, as `attention-split` with `stagedRows` leaves it. */
  stagedRows?: number;
  ragged?: boolean;
  kv?: AttentionSplitUse['kv'];
  contextLength?: number;
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
  params: { heads: 'u32', context_length: 'u32', ...summandParams },
  paramValues: (use) => ({
    heads: use.heads,
    context_length: use.contextLength ?? 0,
    ...summandParamValues(use),
  }),
  bindings: [
    { name: 'split_outputs', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'split_scales', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'out', type: 'array<vec4<f32>>', access: 'read_write', when: (use) => !addsUp(use) },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    ...summandBindings,
    { name: 'state', type: 'State', access: 'read', when: projects },
    { name: 'k_cache', type: 'array<Stored>', access: 'read_write', when: projects },
    { name: 'v_cache', type: 'array<Stored>', access: 'read_write', when: projects },
    { ...headWidthsBinding, when: projects },
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
        const keeps = projects(use);
        return {
          choices: { ...choices, ...(keeps && use.kv ? { kv: use.kv } : {}) },
          flags: [
            ...(addsUp(use) ? ['subgroups'] : []),
            ...(use.gated ? ['gated'] : []),
            ...flags,
            ...(keeps ? ['projects', ...raggedFlags(use)] : []),
          ],
          constants: {
            WORKGROUP: workgroup,
            SPLITS: attentionSplits(use.kvHeads),
            TURNS: Math.ceil(attentionSplits(use.kvHeads) / sharesOf(use)),
            HEAD_DIM_VEC4S: use.headDim / 4,
            ...constants,
            ...(keeps ? raggedConstants(use) : {}),
          },
        };
      },
      workgroups: (use) => [
        use.heads + (projects(use) ? use.kvHeads : 0),
        summandParts(use, workgroup),
        1,
      ],
    },
  ],
  preferred: () => ['cooperative'],
});
