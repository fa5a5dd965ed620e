import { sampledRing } from '../kernels/sample.ts';

/** Bursts that wait on the GPU at once: so many where they are short, so that one is recorded and another's tokens travel back meanwhile. */
export const mostBursts = 4;
const leastBursts = 2;
/** A burst takes about so long: text still flows. */
const burstMs = 8;
/** All that wait take about so long: what the GPU computes past the end of an answer is soon over. */
const aheadMs = 16;
/** None of them may overwrite the tokens of another. */
const mostSteps = sampledRing / mostBursts;

/**
 * How many decode steps go into one submit, and how many submits wait at once. A submit costs a fast GPU 17 µs between two passes, and the browser
 * more (steps of SmolLM2 take 570 µs on an H200), so steps that are short go together.
 */
export class BurstSize {
  #steps = 1;
  #bursts = leastBursts;

  get steps(): number {
    return this.#steps;
  }

  get bursts(): number {
    return this.#bursts;
  }

  /** Takes into account that `steps` steps took so long. Grows slowly: the first steps also wait for pipelines and clocks. */
  adapt(steps: number, ms: number): void {
    const each = Math.max(ms / steps, 0.01);
    this.#steps = Math.max(1, Math.min(Math.floor(burstMs / each), 2 * this.#steps, mostSteps));
    const fitting = Math.floor(aheadMs / (this.#steps * each));
    this.#bursts = Math.max(leastBursts, Math.min(fitting, mostBursts));
  }
}
