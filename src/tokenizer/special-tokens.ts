import type { SpecialToken } from './definition.ts';

/** Texts of tokens that end an answer, whatever the file says: chat models end a turn with one of them. */
const endTexts = new Set([
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<end_of_turn>',
  '<turn|>',
  '<|end|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|end_of_turn|>',
  '<|eot|>',
  '<|return|>',
  '<｜end▁of▁sentence｜>',
  '<EOT>',
  '_<EOT>',
  '</s>',
]);

/** The end of text that the file names, and control tokens that are known to end a turn. */
export function endTokens(
  eosIds: readonly (number | null)[],
  control: readonly SpecialToken[],
): number[] {
  const known = control.filter(({ text }) => endTexts.has(text)).map(({ id }) => id);
  return [...new Set([...eosIds.filter((id) => id !== null), ...known])];
}

/** A text cut at special tokens: strings between them, numbers for them. The longest token wins at each place. */
export class SpecialTokenSplitter {
  readonly #pattern: RegExp | null;
  readonly #ids: ReadonlyMap<string, number>;

  constructor(tokens: readonly SpecialToken[]) {
    const texts = tokens.map(({ text }) => text).filter((text) => text.length > 0);
    texts.sort((a, b) => b.length - a.length);
    this.#ids = new Map(tokens.map(({ id, text }) => [text, id]));
    this.#pattern =
      texts.length > 0 ? new RegExp(`(${texts.map(escapePattern).join('|')})`, 'u') : null;
  }

  split(text: string): (string | number)[] {
    if (!this.#pattern) return text.length > 0 ? [text] : [];
    const parts = text.split(this.#pattern);
    // A split with one group gives text and separators in turn.
    return parts
      .map((part, index) => (index % 2 === 1 ? (this.#ids.get(part) ?? part) : part))
      .filter((part) => part !== '');
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Matches any of the texts, the longest that fits, as the one group of the pattern. */
export function anyOf(texts: readonly string[]): RegExp {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`(${escaped.join('|')})`, 'u');
}
