import type {
  GenerateOptions,
  GenerationResult,
  LanguageModelInfo,
  Message,
  TextEvent,
} from '../types.ts';

export type Emit = (event: TextEvent) => void;

/** A language model as the worker serves it. */
export interface ServedModel {
  readonly info: LanguageModelInfo;
  readonly tokenizerDefinition: object;
  /** Answers a conversation with the model's own chat template. */
  chat(
    messages: readonly Message[],
    options: GenerateOptions,
    emit: Emit,
  ): Promise<GenerationResult>;
  /** The tokens of a conversation, up to where the answer begins. */
  encodeChat(messages: readonly Message[]): number[];
  /** Continues a text or a list of tokens. */
  complete(
    prompt: string | readonly number[],
    options: GenerateOptions,
    emit: Emit,
  ): Promise<GenerationResult>;
  /** The mean of the final hidden states of each text, scaled to length 1; hiddenSize numbers a text. */
  embed(texts: readonly string[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  /** Logits of every position from `first` on, [tokens × vocabSize]. */
  logits(tokens: readonly number[], first?: number): Promise<Float32Array>;
  /** How many layers attend to each token of the context when the next one is computed; may be asked while a generation runs. */
  attended(): Promise<Uint32Array>;
  /** Waits for the requests that run, then frees the GPU's memory. */
  dispose(): void | Promise<void>;
}
