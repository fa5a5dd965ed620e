import { defineKernel, type Kernel } from '../gpu/kernel.ts';
import { type MapPlace, type MapStorage, mapVariant } from './feature-map.ts';
import { visionShaders } from './vision-shaders.ts';

/** One use of `box-candidates`: the maps of one stride. */
export interface BoxCandidatesUse {
  storage: MapStorage;
  /** 16 bins for each of left, top, right, bottom. */
  box: MapPlace;
  score: MapPlace;
  classes: number;
  /** Input pixels a cell. */
  stride: number;
  /** Number of the map's first cell among all maps: ties are broken by it. */
  firstCell: number;
  capacity: number;
}

/** Boxes of the cells that score above the threshold, compacted. */
export const boxCandidates: Kernel<BoxCandidatesUse> = defineKernel<BoxCandidatesUse>({
  name: 'box-candidates',
  library: visionShaders,
  shader: 'vision/box-candidates',
  params: {
    box_offset: 'u32',
    box_stride: 'u32',
    score_offset: 'u32',
    score_stride: 'u32',
    width: 'u32',
    height: 'u32',
    classes: 'u32',
    first_cell: 'u32',
    capacity: 'u32',
    pixels: 'f32',
  },
  paramValues: ({ box, score, classes, stride, firstCell, capacity }) => ({
    box_offset: box.offset,
    box_stride: box.stride,
    score_offset: score.offset,
    score_stride: score.stride,
    width: score.width,
    height: score.height,
    classes,
    first_cell: firstCell,
    capacity,
    pixels: stride,
  }),
  bindings: [
    { name: 'settings', type: 'FrameSettings', access: 'read' },
    { name: 'arena', type: 'array<MapVec4>', access: 'read' },
    { name: 'count', type: 'array<atomic<u32>>', access: 'read_write' },
    { name: 'candidates', type: 'array<vec4<f32>>', access: 'read_write' },
  ],
  variants: [mapVariant(64, ({ score }) => score.height * score.width)],
  preferred: () => ['plain'],
});
