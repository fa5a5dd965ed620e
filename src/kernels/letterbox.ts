import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapStorageFlags } from './feature-map.ts';
import { type FrameFormat, frameOptions } from './frame-format.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `letterbox`: the input map of a network, and how frames lie in memory. */
export interface LetterboxUse {
  storage: MapStorage;
  format: FrameFormat;
  output: MapPlace;
}

const side = 8;

/** A frame at the network's size, where its settings put it, RGB in 0..1, grey around it. */
export const letterbox: Kernel<LetterboxUse> = defineKernel<LetterboxUse>({
  name: 'letterbox',
  library: visionShaders,
  shader: 'vision/letterbox',
  params: { offset: 'u32', stride: 'u32', height: 'u32', width: 'u32' },
  paramValues: ({ output: { offset, stride, height, width } }) => ({
    offset,
    stride,
    height,
    width,
  }),
  bindings: [
    { name: 'settings', type: 'FrameSettings', access: 'read' },
    { name: 'frame', type: 'array<u32>', access: 'read' },
    { name: 'arena', type: 'array<MapVec4>', access: 'read_write' },
  ],
  variants: [
    {
      name: 'plain',
      unsupported: (use, { f16 }) => (use.storage === 'f16' && !f16 ? 'needs shader-f16' : null),
      options: ({ storage, format }) => {
        const { choices, flags } = frameOptions(format);
        return {
          choices: { ...choices, storage },
          flags: [...flags, ...mapStorageFlags(storage)],
        };
      },
      workgroups: ({ output }) => [
        Math.ceil(output.width / side),
        Math.ceil(output.height / side),
        1,
      ],
    },
  ],
  preferred: () => ['plain'],
});
