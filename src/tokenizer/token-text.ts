import type { TokenizerDefinition } from './definition.ts';

/** The bytes that each token stands for, so that a text can be put together across tokens that cut characters. */
export class TokenText {
  readonly #definition: TokenizerDefinition;
  readonly #control: ReadonlySet<number>;
  readonly #raw: ReadonlySet<number>;

  constructor(definition: TokenizerDefinition) {
    this.#definition = definition;
    this.#control = new Set(definition.control.map(({ id }) => id));
    this.#raw = new Set(definition.userDefined.map(({ id }) => id));
  }

  isControl(id: number): boolean {
    return this.#control.has(id);
  }

  /** The bytes of a token; none for control tokens and for ids outside the vocabulary. */
  bytes(id: number, isFirst: boolean): Uint8Array {
    const token = this.#definition.tokens[id];
    if (token === undefined || this.isControl(id)) return new Uint8Array();
    if (this.#raw.has(id) && this.#definition.alphabet !== 'sentencepiece')
      return utf8.encode(token);
    switch (this.#definition.alphabet) {
      case 'bytes':
        return byteLevel(token);
      case 'wordpiece':
        return utf8.encode(token.startsWith('##') ? token.slice(2) : isFirst ? token : ` ${token}`);
      default:
        return this.#sentencePiece(token, isFirst);
    }
  }

  #sentencePiece(token: string, isFirst: boolean): Uint8Array {
    const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
    const text = token.replaceAll('▁', ' ');
    return utf8.encode(isFirst && this.#definition.spacePrefix ? text.replace(/^ /, '') : text);
  }
}

const utf8 = new TextEncoder();

/** A token with a letter that stands for no byte was added as plain text. */
function byteLevel(token: string): Uint8Array {
  const bytes = Array.from(token, (letter) => byteOfLetter.get(letter));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : utf8.encode(token);
}

/** Byte-level vocabularies write each byte as a printable letter: printable ones as themselves, the others from U+0100 on. */
const byteOfLetter: ReadonlyMap<string, number> = new Map(
  (function* letters(): Generator<[string, number]> {
    let extra = 0;
    for (let byte = 0; byte < 256; byte += 1) {
      const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      yield [String.fromCodePoint(printable ? byte : 256 + extra++), byte];
    }
  })(),
);
