import { matmulTokens } from '../kernels/matmul.ts';

/** A pass that is shorter than this leaves the GPU waiting on the host between passes. */
const shortMs = 60;
/** A pass that is longer than this makes the page stutter, and comes near what drivers take for a hang. */
const longMs = 250;
const smallestRows = 32;
/** Where it begins: bearable on a slow GPU. */
const firstRows = 256;

/** Tokens at the end of a prompt that each are a pass where tokens are selected: its question mostly is there. */
export const questionRows = 16;

/**
 * Where the pass ends that begins at `first` of a prompt of `length` tokens and has at most `rows`. Tokens that are selected are selected for a
 * pass as a whole, by its mean query: of the question each token is a pass, since the mean of its words asks for none of them.
 */
export function endOfPass(
  first: number,
  length: number,
  rows: number,
  isSelecting: boolean,
): number {
  const question = Math.max(0, length - questionRows);
  if (isSelecting && first >= question) return first + 1;
  return first + evenRows((isSelecting ? question : length) - first, rows);
}

/** Tokens of the next pass where `left` are left and one takes `most`: the fewest passes, all about as long, since short ones fill no GPU. */
export function evenRows(left: number, most: number): number {
  const each = Math.ceil(left / Math.ceil(left / most) / matmulTokens) * matmulTokens;
  return Math.min(each, most, left);
}

/** How many tokens of a prompt go into one pass: as many as this GPU takes in a bearable time, found out as it goes. */
export class PassSize {
  readonly #mostRows: number;
  #rows: number;
  #isQuick = false;

  /** `mostRows` is what the decoder has room for. */
  constructor(mostRows: number) {
    this.#mostRows = mostRows;
    this.#rows = Math.min(firstRows, mostRows);
  }

  get rows(): number {
    return this.#rows;
  }

  /** The last pass was so short that the next may be recorded while it runs: an abort is heard in time all the same. */
  get isQuick(): boolean {
    return this.#isQuick;
  }

  /** Takes the time of a pass of `rows` tokens into account. */
  adapt(ms: number): void {
    this.#isQuick = ms < shortMs;
    if (ms < shortMs) this.#rows = Math.min(this.#rows * 2, this.#mostRows);
    if (ms > longMs) this.#rows = Math.min(this.#rows, Math.max(this.#rows / 2, smallestRows));
  }
}
