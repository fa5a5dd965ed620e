import { defineKernel, type Kernel, spread } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapStorageFlags } from './feature-map.ts';
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
  params: {
    in_offset: 'u32',
    in_stride: 'u32',
    in_height: 'u32',
    in_width: 'u32',
    out_offset: 'u32',
    out_stride: 'u32',
    out_height: 'u32',
    out_width: 'u32',
    groups: 'u32',
  },
  paramValues: ({ input, output }) => ({
    in_offset: input.offset,
    in_stride: input.stride,
    in_height: input.height,
    in_width: input.width,
    out_offset: output.offset,
    out_stride: output.stride,
    out_height: output.height,
    out_width: output.width,
    groups: output.groups,
  }),
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
