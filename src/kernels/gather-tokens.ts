import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import { kvScalesBinding } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import {
  cacheConstants,
  cacheFlags,
  capacityOf,
  raggedBindings,
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
  setFormat,
} from './selection-use.ts';
import { unitRows } from './turn-quads.ts';

const workgroup = 64;

/** As `SelectionUse`, and whether it is of a decode step, which fills the set where a selection is due. */
export type GatherUse = SelectionUse & { step: boolean };

/** Fills the working set, keys and values [kvHeads, initial + selected + local, headDim]. */
export const gatherTokens: Kernel<GatherUse> = defineKernel<GatherUse>({
  name: 'gather-tokens',
  library: languageShaders,
  shader: 'attention/gather-tokens',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read' },
    kvScalesBinding,
    ...raggedBindings,
    { name: 'slots', type: 'array<Stored>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv, set: setFormat(use) },
        flags: [
          ...cacheFlags(use),
          ...(use.interleaved ? ['interleaved'] : []),
          ...(use.step ? ['step'] : []),
        ],
        constants: { WORKGROUP: workgroup, ...cacheConstants(use), ...selectionConstants(use) },
      }),
      workgroups: (use) => {
        const units = (capacityOf(use) * use.kvHeads * use.headDim) / unitRows;
        return spread(Math.ceil(units / workgroup), use.layers);
      },
    },
  ],
  preferred: () => ['plain'],
});
