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

/** One use of `resample`: the input at the output's size. */
export interface ResampleUse {
  storage: MapStorage;
  filter: 'nearest' | 'bilinear';
  input: MapPlace;
  output: MapPlace;
}

/** Another size of a feature map, or a copy of it, each channel by itself. */
export const resample: Kernel<ResampleUse> = defineKernel<ResampleUse>({
  name: 'resample',
  library: visionShaders,
  shader: 'conv/resample',
  params: mapParams,
  paramValues: mapParamValues,
  bindings: [{ name: 'arena', type: 'array<MapVec4>', access: 'read_write' }],
  variants: [
    mapVariant(64, ({ output }) => elementsOf(output), {
      flags: ({ filter }) => (filter === 'bilinear' ? ['bilinear'] : []),
    }),
  ],
  preferred: () => ['plain'],
});
