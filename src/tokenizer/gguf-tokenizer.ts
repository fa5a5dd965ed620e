import { VitrailError } from '../errors.ts';
import type { Metadata } from '../formats/header.ts';
import { bpePatterns, defaultBpePatterns } from './bpe-patterns.ts';
import { templateProblem } from './chat-template.ts';
import type { SpecialToken, TokenizerDefinition } from './definition.ts';
import { endTokens, isControlInDisguise } from './special-tokens.ts';

const keyPrefix = 'tokenizer.ggml.';
/** `tokenizer.ggml.token_type`. */
const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4 } as const;
const sentencePieceSpace = '▁';

export interface TokenizerParts {
  definition: TokenizerDefinition;
  /** What a careful reader should know. */
  warnings: string[];
}

/**
 * The tokenizer of a GGUF file. Throws `tokenizer-unsupported` for a kind that is not known, `model-corrupt` where the
 * vocabulary is missing or ids lie outside it.
 */
export function tokenizerFromGguf(metadata: Metadata): TokenizerParts {
  const reader = new VocabularyReader(metadata);
  const kind = reader.text('model', '');
  const build = kinds[kind];
  if (build) return withTemplateCheck(build(reader));
  throw new VitrailError('tokenizer-unsupported', `The tokenizer '${kind}' is not supported.`, {
    where: 'tokenizer/gguf',
    fix: `Use a model with one of these tokenizers: ${Object.keys(kinds).join(', ')}.`,
    detail: { tokenizer: kind },
  });
}

/** A chat template that does not parse is left out, with a warning: ChatML takes its place. */
export function withTemplateCheck({ definition, warnings }: TokenizerParts): TokenizerParts {
  const problem = templateProblem(definition);
  if (problem === null) return { definition, warnings };
  const warning = `The chat template does not parse (${problem}); ChatML is used instead.`;
  return { definition: { ...definition, chatTemplate: null }, warnings: [...warnings, warning] };
}

const kinds: Readonly<Record<string, (reader: VocabularyReader) => TokenizerParts>> = {
  gpt2: byteLevelBpe,
  llama: sentencePieceBpe,
  t5: unigram,
  bert: wordPiece,
};

function byteLevelBpe(reader: VocabularyReader): TokenizerParts {
  const pre = reader.text('pre', 'default');
  const patterns = bpePatterns(pre);
  const family = patterns ?? defaultBpePatterns;
  const { plainCharacters = false, escapeSpaces = false } = family;
  const warnings = patterns
    ? []
    : [`The pre-tokenizer '${pre}' is not known; text is cut as by default.`];
  const splits = family.patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  }));
  const bytes = {
    type: 'ByteLevel',
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  };
  const definition = reader.definition({
    alphabet: plainCharacters ? 'sentencepiece' : 'bytes',
    spacePrefix: false,
    addBos: family.addBos ?? false,
    json: {
      normalizer: escapeSpaces ? replaceSpaces : null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: plainCharacters ? splits : [...splits, bytes],
      },
      model: {
        type: 'BPE',
        vocab: reader.vocabulary(),
        merges: reader.merges(),
        ignore_merges: family.ignoreMerges ?? false,
        byte_fallback: plainCharacters,
      },
    },
  });
  return { definition, warnings };
}

const replaceSpaces = {
  type: 'Replace',
  pattern: { String: ' ' },
  content: sentencePieceSpace,
};

/** SentencePiece's BPE has scores instead of merges: a pair is merged the earlier, the higher the score of what it makes. */
function sentencePieceBpe(reader: VocabularyReader): TokenizerParts {
  const spacePrefix = reader.flag('add_space_prefix', true);
  const prepend = { type: 'Prepend', prepend: sentencePieceSpace };
  const definition = reader.definition({
    alphabet: 'sentencepiece',
    spacePrefix,
    addBos: true,
    json: {
      normalizer: {
        type: 'Sequence',
        normalizers: spacePrefix ? [prepend, replaceSpaces] : [replaceSpaces],
      },
      pre_tokenizer: null,
      model: {
        type: 'BPE',
        vocab: reader.vocabulary(),
        merges: mergesByScore(reader),
        byte_fallback: true,
        fuse_unk: true,
        unk_token: reader.tokenAt('unknown_token_id', 0),
      },
    },
  });
  return { definition, warnings: [] };
}

/** Every way to make a token of two tokens, those of high scores first, as [left, right]. */
function mergesByScore(reader: VocabularyReader): [string, string][] {
  const tokens = reader.tokens;
  const scores = reader.numbers('scores');
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const lengths = new Set(tokens.map((token) => token.length));
  const merges: { pair: [string, string]; score: number; left: number; right: number }[] = [];
  tokens.forEach((token, id) => {
    const characters = [...token];
    let at = 0;
    for (const character of characters.slice(0, -1)) {
      at += character.length;
      // Keeps a token of absurd length from costing the square of it.
      if (!lengths.has(at) || !lengths.has(token.length - at)) continue;
      const left = ids.get(token.slice(0, at));
      const right = ids.get(token.slice(at));
      if (left === undefined || right === undefined) continue;
      const pair: [string, string] = [token.slice(0, at), token.slice(at)];
      merges.push({ pair, score: scores[id] ?? 0, left, right });
    }
  });
  merges.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  return merges.map(({ pair }) => pair);
}

const singleSpaces = [
  { type: 'Strip', strip_left: true, strip_right: true },
  { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
];

function unigram(reader: VocabularyReader): TokenizerParts {
  const scores = reader.numbers('scores');
  const charsMap = reader.bytes('precompiled_charsmap');
  const spacePrefix = reader.flag('add_space_prefix', true);
  const normalizers = [
    ...(charsMap.length > 0
      ? [{ type: 'Precompiled', precompiled_charsmap: toBase64(charsMap) }]
      : []),
    ...(reader.flag('remove_extra_whitespaces', false) ? singleSpaces : []),
  ];
  const definition = reader.definition({
    alphabet: 'sentencepiece',
    spacePrefix,
    addBos: false,
    addEos: true,
    json: {
      normalizer: { type: 'Sequence', normalizers },
      pre_tokenizer: {
        type: 'Metaspace',
        replacement: sentencePieceSpace,
        add_prefix_space: spacePrefix,
        prepend_scheme: spacePrefix ? 'always' : 'never',
      },
      model: {
        type: 'Unigram',
        vocab: reader.tokens.map((token, id) => [token, scores[id] ?? 0]),
        unk_id: reader.id('unknown_token_id') ?? 0,
      },
    },
  });
  return { definition, warnings: [] };
}

/** Files mark the beginning of a word with ▁; WordPiece's own form marks the continuation with ##. */
function wordPiece(reader: VocabularyReader): TokenizerParts {
  const special = new Set(reader.special().map(({ text }) => text));
  const pieces = reader.tokens.map((token) => {
    if (special.has(token)) return token;
    return token.startsWith(sentencePieceSpace) ? token.slice(1) : `##${token}`;
  });
  const definition = reader.definition({
    alphabet: 'wordpiece',
    spacePrefix: false,
    addBos: true,
    addEos: true,
    json: {
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: true,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      model: {
        type: 'WordPiece',
        vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
        unk_token: reader.tokenAt('unknown_token_id', 100),
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
      },
    },
  });
  return { definition: { ...definition, tokens: pieces }, warnings: [] };
}

/** Reads `tokenizer.ggml.*`, and checks what it reads. */
class VocabularyReader {
  readonly tokens: string[];
  readonly #metadata: Metadata;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
    this.tokens = this.texts('tokens');
    if (this.tokens.length === 0) throw corrupt('the vocabulary is missing');
  }

  text(key: string, otherwise: string): string {
    const value = this.#metadata.get(keyPrefix + key);
    return typeof value === 'string' ? value : otherwise;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.#metadata.get(keyPrefix + key);
    return typeof value === 'boolean' ? value : otherwise;
  }

  texts(key: string): string[] {
    const value = this.#metadata.get(keyPrefix + key);
    if (!Array.isArray(value)) return [];
    if (value.every((text) => typeof text === 'string')) return value as string[];
    throw corrupt(`'${key}' is no list of texts`);
  }

  numbers(key: string): ArrayLike<number> {
    const value = this.#metadata.get(keyPrefix + key);
    return ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<number>) : [];
  }

  bytes(key: string): Uint8Array {
    const value = this.#metadata.get(keyPrefix + key);
    if (!ArrayBuffer.isView(value)) return new Uint8Array();
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }

  /** The id under a key; null where there is none. */
  id(key: string): number | null {
    const value = this.#metadata.get(keyPrefix + key);
    if (typeof value !== 'number') return null;
    if (Number.isInteger(value) && value >= 0 && value < this.tokens.length) return value;
    throw corrupt(`'${key}' is ${value}, outside the vocabulary`);
  }

  tokenAt(key: string, otherwise: number): string | null {
    return this.tokens[this.id(key) ?? otherwise] ?? null;
  }

  merges(): string[] {
    const merges = this.texts('merges');
    if (merges.length === 0) throw corrupt('the merges are missing');
    const broken = merges.find((merge) => merge.indexOf(' ', 1) < 0);
    if (broken !== undefined) throw corrupt(`'${broken.slice(0, 40)}' is no merge of two tokens`);
    return merges;
  }

  vocabulary(): Record<string, number> {
    return Object.fromEntries(this.tokens.map((token, id) => [token, id]));
  }

  special(): SpecialToken[] {
    return this.#where((type, text) => {
      if (type === tokenType.control || type === tokenType.unknown) return true;
      return isControlInDisguise(text, type === tokenType.userDefined);
    }).map((token) => (this.#stripsRight(token.text) ? { ...token, stripsRight: true } : token));
  }

  definition(given: {
    alphabet: TokenizerDefinition['alphabet'];
    json: Record<string, unknown>;
    spacePrefix: boolean;
    addBos: boolean;
    addEos?: boolean;
  }): TokenizerDefinition {
    const bosId = this.id('bos_token_id') ?? this.id('cls_token_id');
    const eosId = this.id('eos_token_id') ?? this.id('seperator_token_id');
    const control = this.special();
    const template = this.#metadata.get('tokenizer.chat_template');
    return {
      alphabet: given.alphabet,
      json: {
        version: '1.0',
        added_tokens: [],
        post_processor: null,
        decoder: null,
        ...given.json,
      },
      tokens: this.tokens,
      control,
      userDefined: this.#where(
        (type, text) => type === tokenType.userDefined && !isControlInDisguise(text, true),
      ),
      bosId,
      eosId,
      endIds: endTokens([eosId, this.id('eot_token_id'), this.id('eom_token_id')], control),
      addBos: this.flag('add_bos_token', given.addBos) && bosId !== null,
      addEos: this.flag('add_eos_token', given.addEos ?? false) && eosId !== null,
      spacePrefix: given.spacePrefix,
      chatTemplate: typeof template === 'string' ? template : null,
    };
  }

  #where(isWanted: (type: number, text: string) => boolean): SpecialToken[] {
    const types = this.numbers('token_type');
    return this.tokens.flatMap((text, id) =>
      isWanted(types[id] ?? tokenType.normal, text) ? [{ id, text }] : [],
    );
  }

  /** Phi-3 takes the white space behind its control tokens; files do not say so except by the model's name. */
  #stripsRight(text: string): boolean {
    const name = this.#metadata.get('general.name');
    if (typeof name !== 'string' || !/phi[-_ ]?3/i.test(name)) return false;
    return !['<unk>', '<s>', '<|endoftext|>'].includes(text);
  }
}

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function corrupt(reason: string): VitrailError {
  return new VitrailError('model-corrupt', `The tokenizer cannot be read: ${reason}.`, {
    where: 'tokenizer/gguf',
    fix: 'Download the file again; if that does not help, convert the model with a current converter.',
  });
}
