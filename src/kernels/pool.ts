import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import {
  type MapPlace,
  type MapStorage,
  mapParams,
  mapParamValues,
  mapStorageFlags,
} from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `pool`: a square window around each output pixel, centred as padding of window / 2 does. */
export interface PoolUse {
  storage: MapStorage;
  kind: 'maximum' | 'mean';
  window: number;
  stride: number;
  input: MapPlace;
  output: MapPlace;
}

const workgroup = 64;

/** Maximum or mean of a window, each channel by itself. */
export const pool: Kernel<PoolUse> = defineKernel<PoolUse>({
  name: 'pool',
  library: visionShaders,
  shader: 'conv/pool',
  params: mapParams,
  paramValues: mapParamValues,
  bindings: [{ name: 'arena', type: 'array<MapVec4>', access: 'read_write' }],
  variants: [
    {
      name: 'plain',
      unsupported: (use, { f16 }) => (use.storage === 'f16' && !f16 ? 'needs shader-f16' : null),
      options: (use) => ({
        choices: { storage: use.storage },
        flags: [...mapStorageFlags(use.storage), ...(use.kind === 'maximum' ? ['maximum'] : [])],
        constants: { WORKGROUP: workgroup, WINDOW: use.window, STRIDE: use.stride },
      }),
      workgroups: ({ output }) =>
        spread(Math.ceil((output.height * output.width * output.groups) / workgroup)),
    },
  ],
  preferred: () => ['plain'],
});
