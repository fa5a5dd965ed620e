import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { VitrailError } from '../errors.ts';
import type { TokenizerDefinition } from './definition.ts';
import { SpecialTokenSplitter } from './special-tokens.ts';
import { TokenText } from './token-text.ts';

export type { TokenizerDefinition } from './definition.ts';

export interface EncodeOptions {
  /** Recognise control tokens in the text. Default false: text from outside must not be able to give orders. */
  special?: boolean;
  /** Begin with BOS and end with EOS where the model is trained so. Default false. */
  addBos?: boolean;
  /** Taken out of the text after special tokens are found: it keeps the token that it interrupts plain text. */
  joiner?: string;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Tokens that end an answer. */
  readonly endIds: ReadonlySet<number>;
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of tokens; control tokens have none. */
  decode(ids: readonly number[]): string;
  /** Number of tokens of a text. */
  count(text: string): number;
}

/** Builds the tokenizer that a definition describes. Throws `tokenizer-unsupported` where a part of it is not known. */
export function createTokenizer(definition: TokenizerDefinition): Tokenizer {
  try {
    return new DefinedTokenizer(definition);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new VitrailError('tokenizer-unsupported', `The tokenizer cannot be built: ${reason}.`, {
      where: 'tokenizer/build',
      fix: 'Use a GGUF file of the same model, or a model whose tokenizer.json has known parts only.',
      cause,
    });
  }
}

/** Puts streamed tokens together to text, never half a UTF-8 sequence. */
export function createDetokenizer(tokenizer: Tokenizer): Detokenizer {
  if (tokenizer instanceof DefinedTokenizer) return new StreamedText(tokenizer.text);
  throw new VitrailError('invalid-argument', 'This tokenizer cannot decode a stream.', {
    where: 'tokenizer/detokenizer',
    fix: 'Pass a tokenizer that createTokenizer made.',
  });
}

export interface Detokenizer {
  /** The text that is complete with this token. */
  push(id: number): string;
  /** What is left: an incomplete sequence becomes U+FFFD. */
  flush(): string;
}

class DefinedTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly endIds: ReadonlySet<number>;
  readonly text: TokenText;
  readonly #definition: TokenizerDefinition;
  readonly #library: LibraryTokenizer;
  /** For what is not the beginning of a text, where that makes a difference. */
  #continuing: LibraryTokenizer | undefined;
  readonly #plain: SpecialTokenSplitter;
  readonly #special: SpecialTokenSplitter;
  readonly #addBos: boolean;
  readonly #addEos: boolean;

  constructor(definition: TokenizerDefinition) {
    this.vocabSize = definition.tokens.length;
    this.bosId = definition.bosId;
    this.eosId = definition.eosId;
    this.endIds = new Set(definition.endIds);
    this.text = new TokenText(definition);
    this.#definition = definition;
    this.#library = new LibraryTokenizer(definition.json, {});
    this.#plain = new SpecialTokenSplitter(definition.userDefined);
    this.#special = new SpecialTokenSplitter([...definition.userDefined, ...definition.control]);
    this.#addBos = definition.addBos;
    this.#addEos = definition.addEos;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const splitter = options.special ? this.#special : this.#plain;
    const { joiner } = options;
    const ids = splitter.split(text).flatMap((part, index) => {
      if (typeof part === 'number') return [part];
      return this.#encodePlain(joiner ? part.replaceAll(joiner, '') : part, index === 0);
    });
    if (!options.addBos) return ids;
    const begin = this.#addBos && this.bosId !== null ? [this.bosId] : [];
    const end = this.#addEos && this.eosId !== null ? [this.eosId] : [];
    return [...begin, ...ids, ...end];
  }

  decode(ids: readonly number[]): string {
    const stream = new StreamedText(this.text);
    return ids.map((id) => stream.push(id)).join('') + stream.flush();
  }

  count(text: string): number {
    return this.encode(text).length;
  }

  #encodePlain(text: string, isBeginning: boolean): number[] {
    const library = isBeginning ? this.#library : this.#continuingLibrary();
    // What neither a token nor the unknown token stands for has no id.
    return library.encode(text, { add_special_tokens: false }).ids.filter((id) => id !== undefined);
  }

  #continuingLibrary(): LibraryTokenizer {
    if (!this.#definition.spacePrefixOnlyFirst) return this.#library;
    this.#continuing ??= new LibraryTokenizer(withoutPrefix(this.#definition.json), {});
    return this.#continuing;
  }
}

/** The same tokenizer, but with no space put before the text. */
function withoutPrefix(json: Record<string, unknown>): Record<string, unknown> {
  const never = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(never);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, inner]) => [key, never(inner)]);
    const copy = Object.fromEntries(entries);
    return copy.type === 'Metaspace' ? { ...copy, prepend_scheme: 'never' } : copy;
  };
  return { ...json, pre_tokenizer: never(json.pre_tokenizer) };
}

class StreamedText implements Detokenizer {
  readonly #text: TokenText;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #isFirst = true;

  constructor(text: TokenText) {
    this.#text = text;
  }

  push(id: number): string {
    const bytes = this.#text.bytes(id, this.#isFirst);
    if (!this.#text.isControl(id)) this.#isFirst = false;
    return this.#decoder.decode(bytes, { stream: true });
  }

  flush(): string {
    this.#isFirst = true;
    return this.#decoder.decode();
  }
}
