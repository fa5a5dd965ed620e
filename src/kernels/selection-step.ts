import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
} from './selection-use.ts';

/** As `SelectionUse`; `own`: the step itself attends to what it asks for, not the one behind it. */
export type SelectionStepUse = SelectionUse & { own?: boolean };

const workgroup = 128;

/** Whether a selection is due in or behind a decode step, and what the step asked for. */
export const selectionStep: Kernel<SelectionStepUse> = defineKernel<SelectionStepUse>({
  name: 'selection-step',
  library: languageShaders,
  shader: 'attention/selection-step',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read_write' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'working', type: 'array<Place>', access: 'read_write' },
    {
      name: 'pass_working',
      type: 'array<Place>',
      access: 'read_write',
      when: ({ own }) => own === true,
    },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        flags: [...(use.interleaved ? ['interleaved'] : []), ...(use.own ? ['own'] : [])],
        constants: {
          WORKGROUP: workgroup,
          HEADS: use.heads,
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...selectionConstants(use),
        },
      }),
      workgroups: (use) => [1, 1, use.layers],
    },
  ],
  preferred: () => ['plain'],
});
