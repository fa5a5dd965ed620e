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
    const open = pending.length - longestOpenStop(pending, this.#stops);
    // A longer stop text that began before the one found decides, once it is whole or broken off.
    if (at >= 0 && open >= at) {
      this.#held = '';
      return { text: pending.slice(0, at), stopped: true };
    }
    this.#held = pending.slice(open);
    return { text: pending.slice(0, open), stopped: false };
  }

  /** What was held back, once no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    const at = firstIndex(held, this.#stops);
    return at >= 0 ? held.slice(0, at) : held;
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
