import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import {
  type MapPlace,
  type MapStorage,
  mapParams,
  mapParamValues,
  mapStorageFlags,
  noPlace,
} from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `channel-affine`: input and output of one size and the same channels. */
export interface ChannelAffineUse {
  storage: MapStorage;
  input: MapPlace;
  output: MapPlace;
  /** Added to the input. */
  residual?: MapPlace;
}

const workgroup = 64;

/** Scale, shift and PReLU of each channel. */
export const channelAffine: Kernel<ChannelAffineUse> = defineKernel<ChannelAffineUse>({
  name: 'channel-affine',
  library: visionShaders,
  shader: 'conv/channel-affine',
  params: { ...mapParams, residual_offset: 'u32', residual_stride: 'u32' },
  paramValues: ({ residual = noPlace, ...use }) => ({
    ...mapParamValues(use),
    residual_offset: residual.offset,
    residual_stride: residual.stride,
  }),
  bindings: [
    { name: 'arena', type: 'array<MapVec4>', access: 'read_write' },
    { name: 'channels', type: 'array<vec4<f32>>', access: 'read' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: (use, { f16 }) => (use.storage === 'f16' && !f16 ? 'needs shader-f16' : null),
      options: (use) => ({
        choices: { storage: use.storage },
        flags: [...mapStorageFlags(use.storage), ...(use.residual ? ['residual'] : [])],
        constants: { WORKGROUP: workgroup },
      }),
      workgroups: ({ output }) =>
        spread(Math.ceil((output.height * output.width * output.groups) / workgroup)),
    },
  ],
  preferred: () => ['plain'],
});
