import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
} from './selection-use.ts';

const workgroup = 256;

/** What the tokens of a pass ask for together, and where the pass stands in the working set, to which its queries are turned. */
export const selectionPass: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-pass',
  library: languageShaders,
  shader: 'attention/selection-pass',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read_write' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'pass_working', type: 'array<Place>', access: 'read_write' },
    { name: 'working', type: 'array<Place>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        flags: use.interleaved ? ['interleaved'] : [],
        constants: {
          WORKGROUP: workgroup,
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...selectionConstants(use),
        },
      }),
      workgroups: (use) => [use.heads, 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
