import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';

/**
 * One use of `head-rows`: gates [tokens, heads] → of each head the number of tokens that have it on, [heads], then all tokens, those first,
 * [heads, tokens].
 */
export interface HeadRowsUse {
  heads: number;
  /** Of a pass at most. */
  mostTokens: number;
}

function variant(workgroup: number): KernelVariant<HeadRowsUse> {
  return {
    name: `scan-${workgroup}`,
    unsupported: () => null,
    options: ({ mostTokens }) => ({
      constants: { WORKGROUP: workgroup, RUN: Math.ceil(mostTokens / workgroup) },
    }),
    workgroups: (use) => [use.heads, 1, 1],
  };
}

/** The order in which attention takes the tokens of each head: Mixture-of-Head attention of many tokens. */
export const headRows: Kernel<HeadRowsUse> = defineKernel<HeadRowsUse>({
  name: 'head-rows',
  library: languageShaders,
  shader: 'attention/head-rows',
  params: { heads: 'u32' },
  paramValues: (use) => ({ heads: use.heads }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'gates', type: 'array<f32>', access: 'read' },
    { name: 'head_rows', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [variant(16), variant(256)],
  preferred: (_, { software }) => (software ? ['scan-16'] : ['scan-256']),
});
