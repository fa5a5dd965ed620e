import { VitrailError } from '../errors.ts';
import type { SpecialToken, TokenizerDefinition } from './definition.ts';
import { type TokenizerParts, withTemplateCheck } from './gguf-tokenizer.ts';
import { endTokens } from './special-tokens.ts';

interface AddedToken extends SpecialToken {
  special: boolean;
}

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
  const added = addedTokens(json);
  const tokens = vocabularyOf(model);
  for (const { id, text } of added) tokens[id] = text;
  const control = added.filter(({ special }) => special);
  const idOf = (key: string) => idOfToken(tokens, config[key]);
  const bosId = idOf('bos_token');
  const eosId = idOf('eos_token');
  const { chat_template: template } = config;
  const definition: TokenizerDefinition = {
    alphabet: alphabetOf(json, model),
    json: { ...json, added_tokens: [], post_processor: null },
    tokens: Array.from(tokens, (token) => token ?? ''),
    control: control.map(({ id, text }) => ({ id, text })),
    userDefined: added.filter(({ special }) => !special).map(({ id, text }) => ({ id, text })),
    bosId,
    eosId,
    endIds: endTokens([eosId], control),
    addBos:
      bosId !== null && (config.add_bos_token === true || postProcessorAdds(json, tokens[bosId])),
    addEos: eosId !== null && config.add_eos_token === true,
    spacePrefix: false,
    chatTemplate: typeof template === 'string' ? template : null,
  };
  return withTemplateCheck({ definition, warnings: [] });
}

function addedTokens(json: Record<string, unknown>): AddedToken[] {
  const list = Array.isArray(json.added_tokens) ? json.added_tokens : [];
  return list.map((entry) => {
    const { id, content, special } = record(entry, 'an added token');
    if (typeof id !== 'number' || typeof content !== 'string') throw corrupt('an added token');
    return { id, text: content, special: special === true };
  });
}

function vocabularyOf(model: Record<string, unknown>): string[] {
  const tokens: string[] = [];
  const { vocab } = model;
  if (Array.isArray(vocab)) {
    for (const entry of vocab) tokens.push(String(entry[0]));
  } else {
    for (const [token, id] of Object.entries(record(vocab, 'the vocabulary'))) {
      tokens[Number(id)] = token;
    }
  }
  return tokens;
}

function alphabetOf(
  json: Record<string, unknown>,
  model: Record<string, unknown>,
): TokenizerDefinition['alphabet'] {
  if (model.type === 'WordPiece') return 'wordpiece';
  if (model.type === 'Unigram' || model.byte_fallback === true) return 'sentencepiece';
  if (JSON.stringify([json.pre_tokenizer, json.decoder]).includes('"ByteLevel"')) return 'bytes';
  if (model.type === 'BPE') return 'sentencepiece';
  throw new VitrailError(
    'tokenizer-unsupported',
    `The tokenizer model '${String(model.type)}' is not supported.`,
    {
      where: 'tokenizer/json',
      fix: 'Use a model with one of these tokenizers: BPE, Unigram, WordPiece.',
    },
  );
}

/** Llama 3 and others add BOS by a template behind the model. */
function postProcessorAdds(json: Record<string, unknown>, bos: string | undefined): boolean {
  const text = JSON.stringify(json.post_processor ?? null);
  return (
    bos !== undefined && text.includes('"TemplateProcessing"') && text.includes(JSON.stringify(bos))
  );
}

function idOfToken(tokens: readonly string[], given: unknown): number | null {
  const text = typeof given === 'string' ? given : (given as { content?: unknown } | null)?.content;
  const id = typeof text === 'string' ? tokens.indexOf(text) : -1;
  return id < 0 ? null : id;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw corrupt(what);
}

function corrupt(what: string): VitrailError {
  return new VitrailError('model-corrupt', `The tokenizer cannot be read: ${what} is not valid.`, {
    where: 'tokenizer/json',
    fix: 'Download tokenizer.json and tokenizer_config.json of the model again.',
  });
}
