import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { languageShaders } from './language-shaders.ts';
import {
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
  selectionStrips,
  voteReach,
} from './selection-use.ts';

const workgroup = 256;
/** Workgroups of a layer at most. */
const mostGroups = 64;

function groupsOf({ contextLength }: SelectionUse): number {
  return Math.min(mostGroups, Math.ceil(contextLength / (workgroup - 2 * voteReach)));
}

/** The votes of all heads for every candidate and those next to it. */
export const selectionVotes: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'selection-votes',
  library: languageShaders,
  shader: 'attention/selection-votes',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read' },
    { name: 'scores', type: 'array<f32>', access: 'read' },
    { name: 'strips', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'votes', type: 'array<f32>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        constants: {
          WORKGROUP: workgroup,
          GROUPS: groupsOf(use),
          HEADS: use.heads,
          STRIPS: selectionStrips,
          REACH: voteReach,
          ...selectionConstants(use),
        },
      }),
      workgroups: (use) => [groupsOf(use), 1, use.layers],
    },
  ],
  preferred: () => ['plain'],
});
