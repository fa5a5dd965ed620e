/** What a tokenizer is made of. Plain JSON, so that it travels to the page, which builds its own. */
export interface TokenizerDefinition {
  /** How the text of a token is written in the vocabulary. */
  alphabet: 'bytes' | 'sentencepiece' | 'wordpiece';
  /** `tokenizer.json` of Hugging Face, without added tokens: those are cut out before. */
  json: Record<string, unknown>;
  /** The text of each token by its id, as it stands in the vocabulary. */
  tokens: string[];
  /** Tokens with a meaning of their own; they are recognised in text only where asked, and have no text in an answer. */
  control: SpecialToken[];
  /** Tokens that are always recognised and are ordinary text. */
  userDefined: SpecialToken[];
  bosId: number | null;
  eosId: number | null;
  /** Tokens that end an answer. */
  endIds: number[];
  addBos: boolean;
  addEos: boolean;
  /** A space is put before the text, and taken off again when decoding. */
  spacePrefix: boolean;
  /** The space goes before the very beginning only, not before what follows a special token. Default false. */
  spacePrefixOnlyFirst?: boolean;
  /** The file's own Jinja template; null where it has none. */
  chatTemplate: string | null;
}

export interface SpecialToken {
  id: number;
  text: string;
  /** White space before it belongs to the token and is dropped. */
  stripsLeft?: boolean;
  /** White space after it belongs to the token and is dropped. */
  stripsRight?: boolean;
}
