import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import { kvScalesBinding, packedFlags } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import {
  capacityOf,
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
  setFormat,
} from './selection-use.ts';
import { unitRows } from './turn-quads.ts';

const workgroup = 64;

/** As `SelectionUse`, and whether it is of a decode step, whose key and value then go into the caches; `own`: before its attention. */
export type GatherUse = SelectionUse & { step: boolean; own?: boolean };

/** Are there queries that have yet to attend? */
function hasQueries({ step, own }: GatherUse): boolean {
  return !step || own === true;
}

/** Fills the working set, keys and values [kvHeads, initial + selected + local, headDim]; turns the queries that attend to it. */
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
    { name: 'k_cache', type: 'array<Cached>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read_write' },
    { ...kvScalesBinding, access: 'read_write' },
    {
      name: 'queries',
      type: 'array<vec4<f32>>',
      access: 'read_write',
      when: hasQueries,
    },
    { name: 'slots', type: 'array<Stored>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv, set: setFormat(use) },
        flags: [
          ...packedFlags(use),
          ...(use.interleaved ? ['interleaved'] : []),
          ...(use.step ? ['step'] : []),
          ...(hasQueries(use) ? ['queries'] : []),
        ],
        constants: {
          WORKGROUP: workgroup,
          HEAD_DIM_VEC4S: use.headDim / 4,
          ...selectionConstants(use),
        },
      }),
      workgroups: (use, rows) => {
        const heads = capacityOf(use) * use.kvHeads + (hasQueries(use) ? rows * use.heads : 0);
        return spread(Math.ceil((heads * use.headDim) / unitRows / workgroup), use.layers);
      },
    },
  ],
  preferred: () => ['plain'],
});
