import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { groupElements, type QuantFormat, rowLayout } from '../quant/format.ts';
import { languageShaders } from './language-shaders.ts';

/** One use of `embedding`: y[tokens, columns] = rows of weights [vocabulary, columns] · scale. */
export interface EmbeddingUse {
  format: QuantFormat;
  vocabulary: number;
  columns: number;
  scale: number;
  /** The matrix is the part of a larger one that begins with this token: rows of other tokens are left as they are. */
  firstToken?: number;
}

const workgroup = 16;

function groupsOf(use: EmbeddingUse): number {
  return Math.ceil(use.columns / groupElements);
}

/** Looks the tokens of a pass up in the embedding matrix. */
export const embedding: Kernel<EmbeddingUse> = defineKernel<EmbeddingUse>({
  name: 'embedding',
  library: languageShaders,
  shader: 'embedding/embedding',
  params: { groups: 'u32', row_vec4s: 'u32', vocabulary: 'u32', first_token: 'u32', scale: 'f32' },
  paramValues: (use) => ({
    groups: groupsOf(use),
    row_vec4s: rowLayout(use.format, use.columns).rowBytes / 16,
    vocabulary: use.vocabulary,
    first_token: use.firstToken ?? 0,
    scale: use.scale,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'weights', type: 'array<vec4<u32>>', access: 'read' },
    { name: 'y', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { quant: use.format.name },
        flags: use.firstToken === undefined ? [] : ['part'],
        constants: { WORKGROUP: workgroup },
      }),
      workgroups: (use, tokens) => [Math.ceil(groupsOf(use) / workgroup), 1, tokens],
    },
  ],
  preferred: () => ['plain'],
});
