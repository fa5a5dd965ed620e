/**
 * Watches streamed text for stop texts. Text that could be the beginning of one is held back until it is decided, so that
 * nothing of a stop text is ever shown.
 */
export class StopRules {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop.length > 0);
  }

  /** What can be shown now, and whether a stop text has come. */
  push(text: string): { text: string; stopped: boolean } {
    const pending = this.#held + text;
    const at = firstIndex(pending, this.#stops);
    if (at >= 0) {
      this.#held = '';
      return { text: pending.slice(0, at), stopped: true };
    }
    const held = longestOpenStop(pending, this.#stops);
    this.#held = pending.slice(pending.length - held);
    return { text: pending.slice(0, pending.length - held), stopped: false };
  }

  /** What was held back, once no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

function firstIndex(text: string, stops: readonly string[]): number {
  const found = stops.map((stop) => text.indexOf(stop)).filter((index) => index >= 0);
  return found.length > 0 ? Math.min(...found) : -1;
}

/** Length of the longest end of the text that begins a stop text. */
function longestOpenStop(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}
