import { VisionExtension } from '../src/vision/extension.ts';

/** The entry of vitrail.vision.js, which the worker loads when a page wants a detector. */
Object.assign(globalThis, { vitrailExtension: new VisionExtension() });
