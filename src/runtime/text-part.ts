import type { Metadata } from '../formats/header.ts';
import type { OpenModel } from '../storage/weight-store.ts';
import type { RenderOptions } from '../tokenizer/chat-template.ts';
import type { TokenizerParts } from '../tokenizer/gguf-tokenizer.ts';
import type { Tokenizer, TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type { Message } from '../types.ts';
import { loadPart, type Part, type PartPlace } from './part.ts';

/** What reads the tokenizer and the chat template of a file, which is worth loading for language models alone (ADR 13). */
export interface TextPart extends Part {
  tokenizerFromGguf(metadata: Metadata): TokenizerParts;
  tokenizerFromJson(tokenizerJson: unknown, tokenizerConfig?: unknown): TokenizerParts;
  encodeChat(
    tokenizer: Tokenizer,
    definition: TokenizerDefinition,
    messages: readonly Message[],
    options?: RenderOptions,
  ): number[];
}

export const textPlace: PartPlace = {
  name: 'vitrailText',
  file: 'vitrail.text.js',
  option: 'textUrl',
};

/** Throws as `loadPart` does. */
export function loadTextPart(url: string | undefined): TextPart {
  return loadPart(textPlace, url);
}

/** The tokenizer of a model's file: of the `tokenizer.json` that belongs to it, else of its header. */
export function tokenizerOfModel(text: TextPart, { extra, header }: OpenModel): TokenizerParts {
  const { tokenizerJson, tokenizerConfig } = extra;
  if (tokenizerJson !== undefined) return text.tokenizerFromJson(tokenizerJson, tokenizerConfig);
  return text.tokenizerFromGguf(header.metadata);
}
