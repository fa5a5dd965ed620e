import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import {
  type MapPlace,
  type MapStorage,
  mapParams,
  mapParamValues,
  mapStorageFlags,
} from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `resample`: the input at the output's size. */
export interface ResampleUse {
  storage: MapStorage;
  filter: 'nearest' | 'bilinear';
  input: MapPlace;
  output: MapPlace;
}

const workgroup = 64;

/** Another size of a feature map, or a copy of it, each channel by itself. */
export const resample: Kernel<ResampleUse> = defineKernel<ResampleUse>({
  name: 'resample',
  library: visionShaders,
  shader: 'conv/resample',
  params: mapParams,
  paramValues: mapParamValues,
  bindings: [{ name: 'arena', type: 'array<MapVec4>', access: 'read_write' }],
  variants: [
    {
      name: 'plain',
      unsupported: (use, { f16 }) => (use.storage === 'f16' && !f16 ? 'needs shader-f16' : null),
      options: (use) => ({
        choices: { storage: use.storage },
        flags: [
          ...mapStorageFlags(use.storage),
          ...(use.filter === 'bilinear' ? ['bilinear'] : []),
        ],
        constants: { WORKGROUP: workgroup },
      }),
      workgroups: ({ output }) =>
        spread(Math.ceil((output.height * output.width * output.groups) / workgroup)),
    },
  ],
  preferred: () => ['plain'],
});
