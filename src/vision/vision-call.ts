import type { DetectOptions, DetectorInfo, LiveDetection, LiveOptions, Source } from '../types.ts';

/** What the page asks of vision in the worker. */
export type VisionCall =
  | { method: 'load'; source: Source }
  | { method: 'detect'; id: number; frame: ImageBitmap; options: DetectOptions }
  | { method: 'attach'; id: number; canvas: OffscreenCanvas; port: MessagePort }
  | { method: 'dispose'; id: number };

/** The same as the part gets it: the engine has read the file. */
export type VisionPartCall =
  | Exclude<VisionCall, { method: 'load' }>
  | { method: 'load'; bytes: Uint8Array };

/** A loaded detector as the page sees it. */
export interface LoadedDetector {
  /** Names the detector in later calls. */
  id: number;
  info: DetectorInfo;
}

/** From the page to an attached view. At most `framesUnderWay` frames are unanswered at a time. */
export type LiveCommand =
  | { frame: VideoFrame | ImageBitmap; options: LiveOptions }
  | { stop: true };

/** From an attached view to the page: an answer to each frame, until an error ends it. `again`: the last frame was not drawn. */
export type LiveEvent =
  | { again: true }
  | { detection: LiveDetection }
  | { error: { code: string; message: string; where: string; fix: string } };

/** One is computed, the next waits behind it on the GPU, and the one before it is read and answered. */
export const framesUnderWay = 3;
