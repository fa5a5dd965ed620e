import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapStorageFlags } from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `channel-attention`: two maps of one size, all of whose groups are full. */
export interface ChannelAttentionUse {
  storage: MapStorage;
  input: MapPlace;
  output: MapPlace;
}

/** Matrices of a workgroup's memory, 64 bytes each. Also the most groups that a map can have. */
const workgroup = 128;

/** Attention between the channels of a map, over all of its pixels, added to the map. */
export const channelAttention: Kernel<ChannelAttentionUse> = defineKernel<ChannelAttentionUse>({
  name: 'channel-attention',
  library: visionShaders,
  shader: 'conv/channel-attention',
  params: {
    in_offset: 'u32',
    in_stride: 'u32',
    out_offset: 'u32',
    out_stride: 'u32',
    pixels: 'u32',
  },
  paramValues: ({ input, output }) => ({
    in_offset: input.offset,
    in_stride: input.stride,
    out_offset: output.offset,
    out_stride: output.stride,
    pixels: input.height * input.width,
  }),
  bindings: [
    { name: 'arena', type: 'array<MapVec4>', access: 'read_write' },
    { name: 'gamma', type: 'array<vec4<f32>>', access: 'read' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: ({ storage, input }, { f16 }) => {
        if (input.groups > workgroup) return `more than ${workgroup * 4} channels`;
        return storage === 'f16' && !f16 ? 'needs shader-f16' : null;
      },
      options: ({ storage, input }) => ({
        choices: { storage },
        flags: mapStorageFlags(storage),
        constants: { WORKGROUP: workgroup, GROUPS: input.groups },
      }),
      workgroups: ({ input }) => [input.groups, 1, 1],
    },
  ],
  preferred: () => ['plain'],
});
