import type { OpenModel } from '../storage/weight-store.ts';
import { type TokenizerParts, tokenizerFromGguf } from './gguf-tokenizer.ts';
import { tokenizerFromJson } from './json-tokenizer.ts';

/** The tokenizer of a model's file: of the `tokenizer.json` that belongs to it, else of its header. */
export function tokenizerOfModel({ extra, header }: OpenModel): TokenizerParts {
  const { tokenizerJson, tokenizerConfig } = extra;
  if (tokenizerJson !== undefined) return tokenizerFromJson(tokenizerJson, tokenizerConfig);
  return tokenizerFromGguf(header.metadata);
}
