import type { Metadata } from '../formats/header.ts';
import type { RenderOptions } from '../tokenizer/chat-template.ts';
import type { TokenizerParts } from '../tokenizer/gguf-tokenizer.ts';
import type { Tokenizer, TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type { Message } from '../types.ts';
import type { Part, PartPlace } from './part.ts';

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
