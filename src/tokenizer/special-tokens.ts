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

/** Texts that nobody writes by chance: `<|user|>`, `<｜Assistant｜>`, `<start_of_turn>`. */
const controlLook = /^<[|｜].*[|｜]>$|^<start_of_turn>$/su;

/**
 * Is this a control token, though the file calls it an ordinary or a user's one? Some converters do; taken at its word, the
 * answer would run on behind its end, and a message could speak for another role.
 */
export function isControlInDisguise(text: string, isUserDefined: boolean): boolean {
  return endTexts.has(text) || (isUserDefined && controlLook.test(text));
}

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
  readonly #tokens: ReadonlyMap<string, SpecialToken>;

  constructor(tokens: readonly SpecialToken[]) {
    const texts = tokens.map(({ text }) => text).filter((text) => text.length > 0);
    texts.sort((a, b) => b.length - a.length);
    this.#tokens = new Map(tokens.map((token) => [token.text, token]));
    this.#pattern =
      texts.length > 0 ? new RegExp(`(${texts.map(escapePattern).join('|')})`, 'u') : null;
  }

  split(text: string): (string | number)[] {
    if (!this.#pattern) return text.length > 0 ? [text] : [];
    // A split with one group gives text and separators in turn.
    const parts = text.split(this.#pattern);
    return parts.flatMap((part, index) => {
      if (index % 2 === 1) return this.#tokens.get(part)?.id ?? [];
      const stripped = this.#strip(part, parts[index - 1], parts[index + 1]);
      return stripped === '' ? [] : stripped;
    });
  }

  /** The text between two special tokens without the white space that they take. */
  #strip(text: string, before: string | undefined, after: string | undefined): string {
    const trimsStart = before !== undefined && this.#tokens.get(before)?.stripsRight === true;
    const trimsEnd = after !== undefined && this.#tokens.get(after)?.stripsLeft === true;
    const start = trimsStart ? text.trimStart() : text;
    return trimsEnd ? start.trimEnd() : start;
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
