import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapVariant } from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `mask-bits`: logits of background and foreground, their width a multiple of 32. */
export interface MaskBitsUse {
  storage: MapStorage;
  logits: MapPlace;
  /** Where the mask begins among the words. */
  firstWord: number;
}

/** A mask of a bit a pixel. */
export const maskBits: Kernel<MaskBitsUse> = defineKernel<MaskBitsUse>({
  name: 'mask-bits',
  library: visionShaders,
  shader: 'vision/mask-bits',
  params: { offset: 'u32', stride: 'u32', pixels: 'u32', first_word: 'u32' },
  paramValues: ({ logits, firstWord }) => ({
    offset: logits.offset,
    stride: logits.stride,
    pixels: logits.height * logits.width,
    first_word: firstWord,
  }),
  bindings: [
    { name: 'arena', type: 'array<MapVec4>', access: 'read' },
    { name: 'bits', type: 'array<u32>', access: 'read_write' },
  ],
  variants: [mapVariant(64, ({ logits }) => (logits.height * logits.width) / 32)],
  preferred: () => ['plain'],
});
