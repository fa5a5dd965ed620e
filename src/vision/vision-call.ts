import type { DetectOptions, DetectorInfo, Source } from '../types.ts';

/** What the page asks of vision in the worker. */
export type VisionCall =
  | { method: 'load'; source: Source }
  | { method: 'detect'; id: number; frame: ImageBitmap; options: DetectOptions }
  | { method: 'dispose'; id: number };

/** A loaded detector as the page sees it. */
export interface LoadedDetector {
  /** Names the detector in later calls. */
  id: number;
  info: DetectorInfo;
}
