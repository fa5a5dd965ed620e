import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  strideParams,
  strideValues,
} from './selection-use.ts';

function variant(workgroup: number): KernelVariant<SelectionUse> {
  return {
    name: `workgroup-${workgroup}`,
    unsupported: (_, { workgroupInvocations }) =>
      workgroupInvocations < workgroup ? `needs workgroups of ${workgroup}` : null,
    options: (use) => ({
      flags: use.interleaved ? ['interleaved'] : [],
      constants: {
        WORKGROUP: workgroup,
        HEADS: use.heads,
        HEAD_DIM_VEC4S: use.headDim / 4,
        ...selectionConstants(use),
      },
    }),
    workgroups: (use) => [1, 1, use.layers],
  };
}

/** Whether a selection is due behind a decode step, and what the step asked for. */
export const selectionStep: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-step',
  library: languageShaders,
  shader: 'attention/selection-step',
  params: { rope_dimensions: 'u32', similarity: 'f32', ...strideParams },
  paramValues: (use) => ({
    rope_dimensions: use.ropeDimensions,
    similarity: use.similarity,
    ...strideValues(use),
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read_write' },
    { name: 'asked', type: 'array<vec4<f32>>', access: 'read_write' },
    { name: 'working', type: 'array<Place>', access: 'read_write' },
  ],
  variants: [variant(16), variant(128)],
  preferred: (_, { software }) => (software ? ['workgroup-16'] : ['workgroup-128']),
});
