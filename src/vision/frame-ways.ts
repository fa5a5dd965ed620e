import type { FrameFormat } from '../kernels/frame-format.ts';
import type { FrameWay } from '../types.ts';

/**
 * Frames that are timed in each way before one of the two stays. The least time counts: others may be at work, and memory is slow the
 * first time, of which there is one a frame under way.
 */
const trialsEach = 5;

/** Which way the frames of a source come to the GPU: by turns at first, then the quicker one. */
export class FrameWays {
  #format: FrameFormat | null = null;
  #times: Record<FrameWay, number[]> = { import: [], copy: [] };
  #chosen: FrameWay | null = null;
  #isRefused = false;

  /** The way of the next frame; `isTrial`: `tell` wants to know how long it took. `format`: null where it cannot be copied. */
  next(format: FrameFormat | null, asked?: FrameWay): { way: FrameWay; isTrial: boolean } {
    if (format !== this.#format) this.#begin(format);
    if (format === null || this.#isRefused) return { way: 'import', isTrial: false };
    const way = asked ?? this.#chosen;
    if (way) return { way, isTrial: false };
    const { import: imports, copy } = this.#times;
    return { way: copy.length < imports.length ? 'copy' : 'import', isTrial: true };
  }

  /** Milliseconds from the frame to the network's input, with nothing else under way: of worker, browser and GPU together. */
  tell(way: FrameWay, ms: number): void {
    this.#times[way].push(ms);
    const { import: imports, copy } = this.#times;
    if (Math.min(imports.length, copy.length) < trialsEach) return;
    this.#chosen = Math.min(...copy) < Math.min(...imports) ? 'copy' : 'import';
  }

  /** The browser did not give the bytes of a frame: it is not asked again. */
  refuse(): void {
    this.#isRefused = true;
  }

  #begin(format: FrameFormat | null): void {
    this.#format = format;
    this.#times = { import: [], copy: [] };
    this.#chosen = null;
    this.#isRefused = false;
  }
}
