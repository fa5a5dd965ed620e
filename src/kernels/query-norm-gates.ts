import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import type { HeadGatesUse } from './head-gates.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `query-norm-gates`: queries [tokens, sharedHeads + routedHeads, headDim] → gates [tokens, sharedHeads + routedHeads]. */
export interface QueryNormGatesUse
  extends Pick<HeadGatesUse, 'sharedHeads' | 'routedHeads' | 'active'> {
  /** A multiple of 4. */
  headDim: number;
}

/** Which query heads of a token are on, by the lengths of their queries: Mixture-of-Head attention without a router's weights. */
export const queryNormGates: Kernel<QueryNormGatesUse> = defineKernel<QueryNormGatesUse>({
  name: 'query-norm-gates',
  library: languageShaders,
  shader: 'attention/query-norm-gates',
  params: {},
  paramValues: () => ({}),
  bindings: [
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'gates', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'workgroup',
      unsupported: () => null,
      options: ({ sharedHeads, routedHeads, active, headDim }) => ({
        constants: {
          HEADS: sharedHeads + routedHeads,
          SHARED: sharedHeads,
          ACTIVE: active,
          HEAD_DIM_VEC4S: headDim / 4,
        },
      }),
      workgroups: (_, tokens) => [tokens, 1, 1],
    },
  ],
  preferred: () => ['workgroup'],
});
