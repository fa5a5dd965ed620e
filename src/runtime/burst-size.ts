import { sampledRing } from '../kernels/sample.ts';

/** A burst takes about so long: text still flows, and what the GPU computes past the end of an answer is soon over. */
const burstMs = 8;
/** Two bursts wait on the GPU at once, and neither may overwrite the other's tokens. */
const mostSteps = sampledRing / 2;

/**
 * How many decode steps go into one submit. A submit costs a fast GPU as much as a fifth of a step of a small model (157 µs of 837 for
 * SmolLM2 on an H200), so steps that are short go together.
 */
export class BurstSize {
  #steps = 1;

  get steps(): number {
    return this.#steps;
  }

  /** Takes into account that `steps` steps took so long. Grows slowly: the first steps also wait for pipelines and clocks. */
  adapt(steps: number, ms: number): void {
    const fitting = Math.floor(burstMs / Math.max(ms / steps, 0.01));
    this.#steps = Math.max(1, Math.min(fitting, 2 * this.#steps, mostSteps));
  }
}
