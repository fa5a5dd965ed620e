import type { Gpu } from '../gpu/gpu.ts';
import type { VisionPartCall } from '../vision/vision-call.ts';
import type { Part, PartPlace } from './part.ts';

/** Everything about detectors. It shares the device with the rest, and watches for another one by itself. */
export interface VisionPart extends Part {
  call(gpu: Gpu, call: VisionPartCall): Promise<unknown>;
}

export const visionPlace: PartPlace = {
  name: 'vitrailVision',
  file: 'vitrail.vision.js',
  option: 'visionUrl',
};
