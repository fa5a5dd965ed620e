import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { boxCandidates } from '../kernels/box-candidates.ts';
import { boxOverlaps } from '../kernels/box-overlaps.ts';
import type { MapPlace, MapStorage } from '../kernels/feature-map.ts';
import { keepBoxes } from '../kernels/keep-boxes.ts';
import { rankBoxes } from '../kernels/rank-boxes.ts';

/** Candidates that are kept of a frame at most; thresholds worth using give far fewer. A multiple of 32. */
const capacity = 1024;
/** Boxes of a frame at most. */
export const boxLimit = 300;
/** A header vector, then two a box. */
export const boxResultBytes: number = (1 + boxLimit * 2) * 16;

/** Maps of one stride. */
export interface DetectionMaps {
  box: MapPlace;
  score: MapPlace;
  stride: number;
}

/** The buffers between the steps from maps to boxes. */
export interface BoxBuffers {
  settings: GPUBuffer;
  arena: GPUBuffer;
  count: GPUBuffer;
  candidates: GPUBuffer;
  ranked: GPUBuffer;
  overlaps: GPUBuffer;
  result: GPUBuffer;
}

/** Makes the buffers that the steps have among themselves. */
export function createBoxBuffers(
  create: (label: string, bytes: number) => GPUBuffer,
): Pick<BoxBuffers, 'count' | 'candidates' | 'ranked' | 'overlaps' | 'result'> {
  return {
    count: create('candidate count', 16),
    candidates: create('candidates', capacity * 32),
    ranked: create('ranked candidates', capacity * 32),
    overlaps: create('overlap bits', (capacity * capacity) / 8),
    result: create('boxes', boxResultBytes),
  };
}

/** Decode and compact each map, rank, compare, suppress: the result buffer has the boxes, best first. Without maps it stays as it is, empty. */
export function prepareBoxes(
  gpu: Gpu,
  maps: readonly DetectionMaps[],
  classes: number,
  storage: MapStorage,
  buffers: BoxBuffers,
): Promise<Dispatch>[] {
  if (maps.length === 0) return [];
  let firstCell = 0;
  const decode = maps.map(({ box, score, stride }) => {
    const use = { storage, box, score, classes, stride, firstCell, capacity };
    firstCell += box.height * box.width;
    return prepareDispatch(gpu, boxCandidates, use, { ...buffers });
  });
  return [
    ...decode,
    prepareDispatch(gpu, rankBoxes, { capacity }, { ...buffers }),
    prepareDispatch(gpu, boxOverlaps, { capacity }, { ...buffers }),
    prepareDispatch(gpu, keepBoxes, { capacity, limit: boxLimit }, { ...buffers }),
  ];
}
