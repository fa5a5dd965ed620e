import { version } from '../package.json';
import { type VisionPart, visionPlace } from '../src/runtime/vision-part.ts';
import { Detectors } from '../src/vision/detectors.ts';

/** The entry of vitrail.vision.js, which the worker loads for its first detector. */
const detectors = new Detectors();
const part: VisionPart = {
  version,
  call: (gpu, call) => detectors.call(gpu, call),
};
Object.assign(globalThis, { [visionPlace.name]: part });
