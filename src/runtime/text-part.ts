import type { Gpu } from '../gpu/gpu.ts';
import type { OpenModel, OpenOptions } from '../storage/weight-store.ts';
import type { TokenizerParts } from '../tokenizer/gguf-tokenizer.ts';
import type { Detokenizer, Tokenizer, TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type { LoadOptions, Source } from '../types.ts';
import type { ServedModel } from './model-contract.ts';
import type { Part, PartPlace } from './part.ts';

/** Everything that language models alone need (ADR 13). It shares the device with the rest. */
export interface TextPart extends Part {
  /** Uploads a model and compiles what runs it. An abort or a failure leaves nothing on the GPU. */
  loadModel(load: ModelLoad): Promise<RestorableModel>;
  tokenizerOfModel(file: OpenModel): TokenizerParts;
  tokenizerFromJson(tokenizerJson: unknown, tokenizerConfig?: unknown): TokenizerParts;
}

export interface ModelLoad {
  core: TextCore;
  gpu: Gpu;
  source: Source;
  options: LoadOptions;
  /** Of `source`: its header came while the part did. */
  opening: Promise<OpenModel>;
  /** Settles when the device can be used. */
  ready(): Promise<void>;
}

/** What the core lends to the part, because it is large and other pages need it too. */
export interface TextCore {
  openModel(source: Source, options: OpenOptions): Promise<OpenModel>;
  createTokenizer(definition: TokenizerDefinition): Tokenizer;
  createDetokenizer(tokenizer: Tokenizer): Detokenizer;
}

/** A model that survives the loss of the device. */
export interface RestorableModel extends ServedModel {
  /** Loads the weights again onto a new device. */
  restore(gpu: Gpu): Promise<void>;
  onDispose(listener: () => void): void;
}

export const textPlace: PartPlace = {
  name: 'vitrailText',
  file: 'vitrail.text.js',
  option: 'textUrl',
};
