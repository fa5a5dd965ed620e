import { VitrailError } from '../errors.ts';
import type { SpecialToken, TokenizerDefinition } from './definition.ts';
import { type TokenizerParts, withTemplateCheck } from './gguf-tokenizer.ts';
import { endTokens, isControlInDisguise } from './special-tokens.ts';

type Json = Record<string, unknown>;

interface AddedToken extends SpecialToken {
  isControl: boolean;
}

/** More tokens than any vocabulary has: an id beyond is a damaged file, not a reason to allocate. */
const mostTokens = 1 << 22;

/**
 * The tokenizer of a `tokenizer.json`, with the special tokens and the chat template of the `tokenizer_config.json` beside it.
 * Throws `model-corrupt` where it is none, `tokenizer-unsupported` for a model type that is not known.
 */
export function tokenizerFromJson(
  tokenizerJson: unknown,
  tokenizerConfig?: unknown,
): TokenizerParts {
  const json = record(tokenizerJson, 'tokenizer.json');
  const config =
    tokenizerConfig === undefined ? {} : record(tokenizerConfig, 'tokenizer_config.json');
  const model = record(json.model, 'the model in tokenizer.json');
  const alphabet = alphabetOf(json, model);
  const added = addedTokens(json);
  const tokens = vocabularyOf(model, added);
  const control = added.filter(({ isControl }) => isControl).map(withoutKind);
  const frame = frameOf(json.post_processor);
  const idOf = (...given: unknown[]) => idOfToken(tokens, given);
  const bosId = idOf(config.bos_token, config.cls_token, frame.begin);
  const eosId = idOf(config.eos_token, config.sep_token, frame.end);
  const adds = (flag: unknown, framed: string | undefined, id: number | null) =>
    id !== null && (typeof flag === 'boolean' ? flag : framed === tokens[id]);
  const definition: TokenizerDefinition = {
    alphabet,
    json: {
      normalizer: null,
      pre_tokenizer: null,
      ...json,
      added_tokens: [],
      post_processor: null,
      decoder: null,
    },
    tokens,
    control,
    userDefined: added.filter(({ isControl }) => !isControl).map(withoutKind),
    bosId,
    eosId,
    endIds: endTokens([eosId], control),
    addBos: adds(config.add_bos_token, frame.begin, bosId),
    addEos: adds(config.add_eos_token, frame.end, eosId),
    ...spacePrefixOf(json),
    chatTemplate: templateOf(config.chat_template),
  };
  return withTemplateCheck({ definition, warnings: [] });
}

function addedTokens(json: Json): AddedToken[] {
  const list = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  return list.map((entry) => {
    const { id, content, special, lstrip, rstrip } = record(entry, 'an added token');
    if (typeof content !== 'string') throw corrupt('an added token');
    return {
      id: tokenId(id),
      text: content,
      isControl: special === true || isControlInDisguise(content, true),
      ...(lstrip === true ? { stripsLeft: true } : {}),
      ...(rstrip === true ? { stripsRight: true } : {}),
    };
  });
}

function withoutKind({ isControl: _, ...token }: AddedToken): SpecialToken {
  return token;
}

/** The texts of all tokens by id; ids that nothing has are empty texts. */
function vocabularyOf(model: Json, added: readonly SpecialToken[]): string[] {
  const tokens: string[] = [];
  const { vocab } = model;
  if (Array.isArray(vocab)) {
    for (const entry of vocab) tokens.push(unigramText(entry));
  } else {
    for (const [token, id] of Object.entries(record(vocab, 'the vocabulary'))) {
      tokens[tokenId(id)] = token;
    }
  }
  for (const { id, text } of added) tokens[id] = text;
  if (tokens.length === 0) throw corrupt('the vocabulary');
  return Array.from(tokens, (token) => token ?? '');
}

/** Unigram lists [text, log-probability]. */
function unigramText(entry: unknown): string {
  if (Array.isArray(entry) && typeof entry[0] === 'string') return entry[0];
  throw corrupt('an entry of the vocabulary');
}

function tokenId(id: unknown): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < mostTokens) return id;
  throw corrupt(`the token id ${String(id)}`);
}

function alphabetOf(json: Json, model: Json): TokenizerDefinition['alphabet'] {
  if (model.type === 'WordPiece') return 'wordpiece';
  if (model.type === 'Unigram' || model.byte_fallback === true) return 'sentencepiece';
  const isBpe = model.type === 'BPE' || (model.type === undefined && 'merges' in model);
  if (isBpe) {
    const isByteLevel = [json.pre_tokenizer, json.decoder].some(
      (part) => partsOfType(part, 'ByteLevel').length > 0,
    );
    return isByteLevel ? 'bytes' : 'sentencepiece';
  }
  throw new VitrailError(
    'tokenizer-unsupported',
    `The tokenizer model '${String(model.type)}' is not supported.`,
    {
      where: 'tokenizer/json',
      fix: 'Use a model with one of these tokenizers: BPE, Unigram, WordPiece.',
    },
  );
}

/** SentencePiece's space before the text, which stands in a normalizer or in a pre-tokenizer. */
function spacePrefixOf(
  json: Json,
): Pick<TokenizerDefinition, 'spacePrefix' | 'spacePrefixOnlyFirst'> {
  if (partsOfType(json.normalizer, 'Prepend').length > 0) return { spacePrefix: true };
  const [metaspace] = partsOfType(json.pre_tokenizer, 'Metaspace');
  if (!metaspace || metaspace.prepend_scheme === 'never') return { spacePrefix: false };
  return { spacePrefix: true, spacePrefixOnlyFirst: metaspace.prepend_scheme === 'first' };
}

/** What a post-processor puts before and behind a text. */
function frameOf(postProcessor: unknown): { begin?: string | undefined; end?: string | undefined } {
  const [bert] = [
    ...partsOfType(postProcessor, 'BertProcessing'),
    ...partsOfType(postProcessor, 'RobertaProcessing'),
  ];
  if (bert) return { begin: firstText(bert.cls), end: firstText(bert.sep) };
  const [template] = partsOfType(postProcessor, 'TemplateProcessing');
  const single = Array.isArray(template?.single) ? template.single : [];
  const special = (piece: unknown) => {
    const token = isRecord(piece) ? piece.SpecialToken : undefined;
    return isRecord(token) && typeof token.id === 'string' ? token.id : undefined;
  };
  const text = single.findIndex((piece) => isRecord(piece) && 'Sequence' in piece);
  return {
    begin: text > 0 ? special(single[0]) : undefined,
    end: text < single.length - 1 ? special(single.at(-1)) : undefined,
  };
}

function firstText(pair: unknown): string | undefined {
  return Array.isArray(pair) && typeof pair[0] === 'string' ? pair[0] : undefined;
}

/** The parts of a type in a part or in the sequence that it is. */
function partsOfType(part: unknown, type: string): Json[] {
  if (!isRecord(part)) return [];
  const inner = part.normalizers ?? part.pretokenizers ?? part.processors ?? part.decoders;
  if (Array.isArray(inner)) return inner.flatMap((each) => partsOfType(each, type));
  return part.type === type ? [part] : [];
}

/** A file may hold several templates by name; `default` is the one for chats. */
function templateOf(given: unknown): string | null {
  if (!Array.isArray(given)) return typeof given === 'string' ? given : null;
  const named = given.filter(isRecord);
  const chosen = named.find(({ name }) => name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : null;
}

/** The id of the first that the vocabulary has, of tokens given as text or as `{ content }`. */
function idOfToken(tokens: readonly string[], given: readonly unknown[]): number | null {
  for (const token of given) {
    const text = isRecord(token) ? token.content : token;
    const id = typeof text === 'string' && text !== '' ? tokens.indexOf(text) : -1;
    if (id >= 0) return id;
  }
  return null;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function record(value: unknown, what: string): Json {
  if (isRecord(value)) return value;
  throw corrupt(what);
}

function corrupt(what: string): VitrailError {
  return new VitrailError('model-corrupt', `The tokenizer cannot be read: ${what} is not valid.`, {
    where: 'tokenizer/json',
    fix: 'Download tokenizer.json and tokenizer_config.json of the model again.',
  });
}
