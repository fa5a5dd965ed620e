import type { Tokenizer } from 'vitrail';
import { byId, make } from './dom.ts';

/** Tokens that are shown as words at most: a page of more would be slow to scroll. */
const maxWords = 6000;
/** Steps of colour. */
const steps = 8;

/** The strip over a text and its words: both show how many layers attended to each token. */
export class Heat {
  #words: HTMLElement[] = [];
  #ids: readonly number[] = [];

  /** Lays out a text; `tokenizer` gives the words of its tokens. */
  show(ids: readonly number[], tokenizer: Tokenizer): void {
    this.#ids = ids;
    this.#words = ids.slice(0, maxWords).map((id) => make('span', {}, tokenizer.decode([id])));
    byId('tokens').replaceChildren(...this.#words);
    // The keyboard scrolls it.
    byId('tokens').tabIndex = 0;
    byId('seen').hidden = false;
  }

  /** Colours what is laid out; `counts` are layers by token, of `layers`. */
  colour(counts: Uint32Array, layers: number): void {
    this.#words.forEach((word, i) => {
      word.dataset.heat = String(Math.ceil(((counts[i] ?? 0) / layers) * steps));
    });
    this.#paint(counts, layers);
    byId('summary').textContent = this.#describe(counts, layers);
  }

  #paint(counts: Uint32Array, layers: number): void {
    const canvas = byId<HTMLCanvasElement>('strip');
    const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== width) canvas.width = width;
    const context = canvas.getContext('2d');
    if (!context) return;
    context.clearRect(0, 0, width, canvas.height);
    context.fillStyle = getComputedStyle(canvas).color;
    for (let x = 0; x < width; x += 1) {
      // A column is as strong as the strongest of its tokens: a single word in thousands stays visible.
      const end = Math.max(((x + 1) * counts.length) / width, (x * counts.length) / width + 1);
      let most = 0;
      for (let i = Math.floor((x * counts.length) / width); i < end; i += 1) {
        most = Math.max(most, counts[i] ?? 0);
      }
      context.globalAlpha = most / layers;
      context.fillRect(x, 0, 1, canvas.height);
    }
  }

  /** `1,024 of 3,120 tokens are looked at by some layer; each layer looks at 1,024.` */
  #describe(counts: Uint32Array, layers: number): string {
    const seen = counts.filter((count) => count > 0).length;
    const each = Math.round(counts.reduce((sum, count) => sum + count, 0) / layers);
    const number = (value: number): string => value.toLocaleString('en');
    const cut = this.#ids.length > maxWords ? ` Below, the first ${number(maxWords)} tokens.` : '';
    return `Of ${number(counts.length)} tokens, each layer looks at ${number(each)}; ${number(seen)} are looked at by some layer.${cut}`;
  }
}
