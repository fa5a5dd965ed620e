import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import {
  elementsOf,
  type MapPlace,
  type MapStorage,
  mapParams,
  mapParamValues,
  mapVariant,
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

/** Maximum or mean of a window, each channel by itself. */
export const pool: Kernel<PoolUse> = defineKernel<PoolUse>({
  name: 'pool',
  library: visionShaders,
  shader: 'conv/pool',
  params: mapParams,
  paramValues: mapParamValues,
  bindings: [{ name: 'arena', type: 'array<MapVec4>', access: 'read_write' }],
  variants: [
    mapVariant(64, ({ output }) => elementsOf(output), {
      flags: ({ kind }) => (kind === 'maximum' ? ['maximum'] : []),
      constants: (use) => ({ WINDOW: use.window, STRIDE: use.stride }),
    }),
  ],
  preferred: () => ['plain'],
});
