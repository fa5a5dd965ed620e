import type { GenerationResult, TextEvent } from '../types.ts';
import type { Generation } from './api.ts';

/** Runs a generation: calls `onEvent` for each event and resolves after the last. */
export type RunGeneration = (
  signal: AbortSignal,
  onEvent: (event: TextEvent) => void,
) => Promise<GenerationResult>;

/** Starts a generation. `signal` is the caller's; leaving a loop over the generation aborts as well. */
export function startGeneration(run: RunGeneration, signal: AbortSignal | undefined): Generation {
  return new EventLog(run, signal);
}

/** Keeps every event, so that a loop may start late and several loops see the same. */
class EventLog implements Generation {
  readonly result: Promise<GenerationResult>;
  readonly #events: TextEvent[] = [];
  readonly #abort = new AbortController();
  #ended = false;
  #wakeReaders: () => void = () => {};
  #change!: Promise<void>;

  constructor(run: RunGeneration, signal: AbortSignal | undefined) {
    this.#awaitChange();
    const abort = (): void => this.#abort.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    this.result = run(this.#abort.signal, (event) => {
      this.#events.push(event);
      this.#awaitChange();
    }).finally(() => {
      signal?.removeEventListener('abort', abort);
      this.#ended = true;
      this.#wakeReaders();
    });
    // Whoever only iterates sees the failure in the loop; that nobody awaits `result` is no defect of the page.
    this.result.catch(() => {});
  }

  #awaitChange(): void {
    this.#wakeReaders();
    this.#change = new Promise((resolve) => {
      this.#wakeReaders = resolve;
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TextEvent, void, undefined> {
    let next = 0;
    try {
      for (;;) {
        const event = this.#events[next];
        if (event) {
          next += 1;
          yield event;
        } else if (this.#ended) {
          await this.result;
          return;
        } else {
          await this.#change;
        }
      }
    } finally {
      if (!this.#ended) this.#abort.abort();
    }
  }
}
