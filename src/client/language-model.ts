import type { WorkerConnection } from '../rpc/connection.ts';
import type { GenerateSettings, LoadedModel } from '../rpc/contract.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { GenerateOptions, LanguageModelInfo, Message } from '../types.ts';
import type { Generation, LanguageModel, Tokenizer } from './api.ts';
import { type RunGeneration, startGeneration } from './generation.ts';

/** A model in the worker, as the page holds it. */
export class WorkerLanguageModel implements LanguageModel {
  readonly info: LanguageModelInfo;
  readonly #id: number;
  readonly #connection: WorkerConnection;
  readonly #tokenizerJson: Uint8Array;
  #tokenizer: Tokenizer | undefined;

  constructor(connection: WorkerConnection, loaded: LoadedModel) {
    this.#connection = connection;
    this.#id = loaded.id;
    this.#tokenizerJson = loaded.tokenizerJson;
    this.info = loaded.info;
  }

  get tokenizer(): Tokenizer {
    this.#tokenizer ??= tokenizerOfJson(this.#tokenizerJson);
    return this.#tokenizer;
  }

  chat(messages: readonly Message[], options: GenerateOptions = {}): Generation {
    return this.#generate(options, (settings) => (signal, onEvent) => {
      return this.#connection.stream(
        (service, port) => service.chat(this.#id, [...messages], settings, port),
        signal,
        onEvent,
      );
    });
  }

  encodeChat(messages: readonly Message[]): Promise<number[]> {
    return this.#connection.call((service) => service.encodeChat(this.#id, [...messages]));
  }

  complete(prompt: string | readonly number[], options: GenerateOptions = {}): Generation {
    const sent = typeof prompt === 'string' ? prompt : [...prompt];
    return this.#generate(options, (settings) => (signal, onEvent) => {
      return this.#connection.stream(
        (service, port) => service.complete(this.#id, sent, settings, port),
        signal,
        onEvent,
      );
    });
  }

  #generate(
    { signal, ...settings }: GenerateOptions,
    runWith: (settings: GenerateSettings) => RunGeneration,
  ): Generation {
    return startGeneration(runWith(settings), signal);
  }

  embed(texts: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Float32Array[]> {
    return this.#connection.stream(
      (service, port) => service.embed(this.#id, [...texts], port),
      options.signal,
    );
  }

  attended(): Promise<Uint32Array> {
    return this.#connection.call((service) => service.attended(this.#id));
  }

  logits(tokens: readonly number[], { first = 0 }: { first?: number } = {}): Promise<Float32Array> {
    return this.#connection.call((service) => service.logits(this.#id, [...tokens], first));
  }

  async dispose(): Promise<void> {
    // With the runtime gone its models are gone too: then there is nothing left to free.
    if (this.#connection.isOpen) {
      await this.#connection.call((service) => service.disposeModel(this.#id));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** A tokenizer from the definition that the worker sent. */
export function tokenizerOfJson(json: Uint8Array): Tokenizer {
  return createTokenizer(JSON.parse(new TextDecoder().decode(json)));
}
