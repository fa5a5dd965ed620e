import type { LoadPhase, LoadProgress } from '../types.ts';

/** Reports closer together than this help nobody. */
const reportIntervalMs = 50;
/** How long the past counts in the rate: after it, an old second weighs 1/e. */
const smoothingMs = 2_000;

export interface ProgressStage {
  phase: LoadPhase;
  /** 0 while unknown. */
  totalBytes: number;
  cached: boolean;
}

/** Turns counts of bytes into reports with a smoothed rate and the time left (infinite while nothing has come). */
export class ProgressMeter {
  readonly #report: ((progress: LoadProgress) => void) | undefined;
  #stage: ProgressStage = { phase: 'download', totalBytes: 0, cached: false };
  #loadedBytes = 0;
  /** Progress never goes back within a phase, even where bytes are read twice. */
  #shownBytes = 0;
  #bytesPerSecond = 0;
  #pendingBytes = 0;
  #measuredAt: number = performance.now();
  #reportedAt: number = Number.NEGATIVE_INFINITY;

  constructor(report: ((progress: LoadProgress) => void) | undefined) {
    this.#report = report;
  }

  stage(stage: ProgressStage): void {
    if (stage.phase !== this.#stage.phase) this.#shownBytes = 0;
    this.#stage = stage;
  }

  /** Bytes have been worked off. */
  add(bytes: number): void {
    this.#loadedBytes += bytes;
    this.#pendingBytes += bytes;
    if (performance.now() - this.#reportedAt >= reportIntervalMs) this.#emit();
  }

  /** The same for bytes that were there already: they have no bearing on the rate. */
  skip(bytes: number): void {
    this.jumpTo(this.#loadedBytes + bytes);
  }

  /** Sets the count to what was done before, or elsewhere. */
  jumpTo(loadedBytes: number): void {
    this.#loadedBytes = loadedBytes;
    if (performance.now() - this.#reportedAt >= reportIntervalMs) this.#emit();
  }

  finish(): void {
    this.#loadedBytes = this.#stage.totalBytes;
    this.#emit();
  }

  #emit(): void {
    const now = performance.now();
    this.#measure(now);
    this.#reportedAt = now;
    const { totalBytes } = this.#stage;
    this.#shownBytes = Math.min(Math.max(this.#loadedBytes, this.#shownBytes), totalBytes);
    const loadedBytes = this.#shownBytes;
    const left = totalBytes - loadedBytes;
    const etaMs = left === 0 ? 0 : (left / this.#bytesPerSecond) * 1000;
    this.#report?.({ ...this.#stage, loadedBytes, bytesPerSecond: this.#bytesPerSecond, etaMs });
  }

  /** Exponential moving average over time, so that uneven intervals weigh what they last. */
  #measure(now: number): void {
    const elapsedMs = now - this.#measuredAt;
    if (elapsedMs <= 0) return;
    const rate = (this.#pendingBytes / elapsedMs) * 1000;
    const weight = this.#bytesPerSecond === 0 ? 1 : 1 - Math.exp(-elapsedMs / smoothingMs);
    this.#bytesPerSecond += weight * (rate - this.#bytesPerSecond);
    this.#pendingBytes = 0;
    this.#measuredAt = now;
  }
}
