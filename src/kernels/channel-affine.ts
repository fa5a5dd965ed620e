import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import {
  elementsOf,
  type MapPlace,
  type MapStorage,
  mapParams,
  mapParamValues,
  mapVariant,
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
    mapVariant(64, ({ output }) => elementsOf(output), {
      flags: ({ residual }) => (residual ? ['residual'] : []),
    }),
  ],
  preferred: () => ['plain'],
});
