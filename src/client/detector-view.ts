import { toVitrailError, type VitrailError } from '../errors.ts';
import type { Detection, DetectOptions } from '../types.ts';
import type { Detector, DetectorView } from './api.ts';
import { drawDetection } from './detection-overlay.ts';

type Listeners = {
  result: Set<(detection: Detection) => void>;
  error: Set<(error: VitrailError) => void>;
};

/**
 * Looks at the frames of a video as they come, one at a time: what comes while the last one is being looked at is passed over, so
 * the answer is never older than one look. Rests while the video rests or the page is hidden.
 */
export class WatchedVideo implements DetectorView {
  readonly #listeners: Listeners = { result: new Set(), error: new Set() };
  readonly #stopping = new AbortController();
  #options: DetectOptions;

  constructor(
    detector: Detector,
    video: HTMLVideoElement,
    canvas: HTMLCanvasElement,
    options: DetectOptions,
  ) {
    this.#options = options;
    void this.#watch(detector, video, canvas);
  }

  setOptions(options: DetectOptions): void {
    this.#options = options;
  }

  on(event: 'result', listener: (detection: Detection) => void): () => void;
  on(event: 'error', listener: (error: VitrailError) => void): () => void;
  on(event: keyof Listeners, listener: (value: never) => void): () => void {
    const listeners: Set<(value: never) => void> = this.#listeners[event];
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #watch(
    detector: Detector,
    video: HTMLVideoElement,
    canvas: HTMLCanvasElement,
  ): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        await nextFrame(video, signal);
        if (signal.aborted || video.videoWidth === 0 || document.hidden) continue;
        const detection = await detector.detect(video, { ...this.#options, signal });
        drawDetection(canvas, detection);
        for (const listener of this.#listeners.result) listener(detection);
      }
    } catch (thrown) {
      if (signal.aborted) return;
      this.#stopping.abort();
      const error = toVitrailError(thrown, 'detector/watch');
      for (const listener of this.#listeners.error) listener(error);
    }
  }
}

/** Resolves when the video shows another frame, or the signal aborts. */
function nextFrame(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(() => resolve());
    else requestAnimationFrame(() => resolve());
  });
}
