import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { kvScalesBinding } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import {
  cacheConstants,
  cacheFlags,
  raggedBindings,
  type SelectionUse,
  selectionConstants,
  selectionParams,
  selectionParamValues,
  setFormat,
} from './selection-use.ts';

const workgroup = 32;

/** Puts the token of a decode step from its slot of the working set into the caches. */
export const keepToken: Kernel<SelectionUse> = defineKernel<SelectionUse>({
  name: 'keep-token',
  library: languageShaders,
  shader: 'attention/keep-token',
  params: selectionParams,
  paramValues: selectionParamValues,
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'selections', type: 'array<Selection>', access: 'read' },
    { name: 'rope', type: 'array<vec2<f32>>', access: 'read' },
    { name: 'slots', type: 'array<Stored>', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read_write' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read_write' },
    { ...kvScalesBinding, access: 'read_write' },
    ...raggedBindings,
  ],
  variants: [
    {
      name: 'plain',
      unsupported: () => null,
      options: (use) => ({
        choices: { kv: use.kv, set: setFormat(use) },
        flags: [...cacheFlags(use), ...(use.interleaved ? ['interleaved'] : [])],
        constants: { WORKGROUP: workgroup, ...cacheConstants(use), ...selectionConstants(use) },
      }),
      workgroups: (use) => [use.kvHeads, 1, use.layers],
    },
  ],
  preferred: () => ['plain'],
});
