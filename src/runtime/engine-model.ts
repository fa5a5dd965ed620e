import { invalidArgument, throwIfAborted, VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { encodeChat } from '../tokenizer/chat-template.ts';
import { tokenizerOfModel } from '../tokenizer/model-tokenizer.ts';
import type { TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type {
  GenerateOptions,
  GenerationResult,
  LanguageModelInfo,
  LoadOptions,
  Message,
  Source,
} from '../types.ts';
import { generationSettings } from './generate-options.ts';
import { LazyTokenizer } from './lazy-tokenizer.ts';
import type { Emit } from './model-contract.ts';
import { describeModel } from './model-info.ts';
import { checkAttention, planModel } from './model-plan.ts';
import { type Loaded, unload, uploadModel } from './model-upload.ts';
import type { ModelLoad, RestorableModel, TextCore } from './text-part.ts';

/** A loaded language model. Its requests run one after the other. */
export class EngineModel implements RestorableModel {
  readonly info: LanguageModelInfo;
  readonly #tokenizer: LazyTokenizer;
  readonly #core: TextCore;
  readonly #source: Source;
  readonly #options: LoadOptions;
  readonly #ready: () => Promise<void>;
  readonly #disposeListeners: (() => void)[] = [];
  #loaded: Loaded | null;

  /** Allocates, compiles while the weights stream in. Throws what storage, parsers and the GPU throw; nothing stays on the GPU then. */
  static async load(load: ModelLoad): Promise<EngineModel> {
    const { core, gpu, options, opening } = load;
    checkAttention(options.attention);
    const file = await opening;
    const parts = tokenizerOfModel(file);
    const plan = planModel(file.header, options);
    const tokenizer = new LazyTokenizer(core, parts.definition);
    const loaded = await uploadModel(gpu, file, plan, tokenizer, options);
    tokenizer.buildSoon();
    // The store has the weights from now on: the source itself need not be kept in memory.
    const source = file.stored ? `store:${file.id}` : load.source;
    const info = describeModel(file, plan, parts);
    return new EngineModel({ ...load, source }, info, tokenizer, loaded);
  }

  private constructor(
    { core, source, options, ready }: ModelLoad,
    info: LanguageModelInfo,
    tokenizer: LazyTokenizer,
    loaded: Loaded,
  ) {
    this.info = info;
    this.#tokenizer = tokenizer;
    this.#core = core;
    this.#source = source;
    this.#ready = ready;
    this.#loaded = loaded;
    // What belongs to the first load only does not come along to a reload.
    const { signal: _, onProgress: __, ...kept } = options;
    this.#options = kept;
  }

  get tokenizerDefinition(): TokenizerDefinition {
    return this.#tokenizer.definition;
  }

  async chat(
    messages: readonly Message[],
    options: GenerateOptions,
    emit: Emit,
  ): Promise<GenerationResult> {
    return this.#generate(this.encodeChat(messages), options, emit);
  }

  encodeChat(messages: readonly Message[]): number[] {
    checkMessages(messages);
    return encodeChat(this.#tokenizer.get(), this.tokenizerDefinition, messages);
  }

  async complete(
    prompt: string | readonly number[],
    options: GenerateOptions,
    emit: Emit,
  ): Promise<GenerationResult> {
    const tokens =
      typeof prompt === 'string'
        ? this.#tokenizer.get().encode(prompt, { special: true, addBos: true })
        : prompt;
    return this.#generate(tokens, options, emit);
  }

  async embed(
    texts: readonly string[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Float32Array[]> {
    const embeddings: Float32Array[] = [];
    for (const text of texts) {
      throwIfAborted(options.signal, 'model/embed');
      const tokens = this.#tokenizer.get().encode(text, { addBos: true });
      const { generator, decoder } = await this.#use();
      checkLength(tokens, decoder.contextLength);
      const states = await generator.overwriting((d) => d.hiddenStates(tokens));
      embeddings.push(meanDirection(states, tokens.length));
    }
    return embeddings;
  }

  async logits(tokens: readonly number[], first = 0): Promise<Float32Array> {
    const { generator, decoder } = await this.#use();
    checkLength(tokens, decoder.contextLength);
    if (!(Number.isInteger(first) && first >= 0 && first < tokens.length)) {
      throw invalidArgument(
        'model/logits',
        `first is ${String(first)}; there are ${tokens.length} tokens.`,
        'Give first the place of a token, from 0 on.',
      );
    }
    return generator.overwriting((d) => d.logits(tokens, first));
  }

  async attended(): Promise<Uint32Array<ArrayBuffer>> {
    return (await this.#use()).decoder.attended();
  }

  async restore(gpu: Gpu): Promise<void> {
    if (!this.#loaded) return;
    const file = await this.#core.openModel(this.#source, this.#options);
    const plan = planModel(file.header, this.#options);
    this.#loaded = await uploadModel(gpu, file, plan, this.#tokenizer, this.#options);
  }

  onDispose(listener: () => void): void {
    this.#disposeListeners.push(listener);
  }

  async dispose(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = null;
    for (const listener of this.#disposeListeners.splice(0)) listener();
    if (loaded) await unload(loaded);
  }

  async #generate(
    prompt: readonly number[],
    options: GenerateOptions,
    emit: Emit,
  ): Promise<GenerationResult> {
    const settings = generationSettings(options, this.info.sampling);
    const { generator } = await this.#use();
    return generator.generate(prompt, settings, options.signal, emit);
  }

  async #use(): Promise<Loaded> {
    await this.#ready();
    if (this.#loaded) return this.#loaded;
    throw invalidArgument(
      'model',
      'The model is disposed.',
      'Load it again with runtime.loadModel().',
    );
  }
}

function checkMessages(messages: readonly Message[]): void {
  const valid =
    Array.isArray(messages) &&
    messages.length > 0 &&
    messages.every(({ role, content }) => typeof role === 'string' && typeof content === 'string');
  if (valid) return;
  throw invalidArgument(
    'generate/messages',
    'A chat needs at least one message with a role and a content.',
    "Give messages like [{ role: 'user', content: 'Hello' }].",
  );
}

function checkLength(tokens: readonly number[], contextLength: number): void {
  if (tokens.length === 0) {
    throw invalidArgument('model/tokens', 'There are no tokens.', 'Give at least one token.');
  }
  if (tokens.length <= contextLength) return;
  throw new VitrailError(
    'context-full',
    `The text has ${tokens.length} tokens; the context holds ${contextLength}.`,
    {
      where: 'model/tokens',
      fix: 'Shorten the text, or load the model with a larger contextLength.',
      detail: { tokens: tokens.length, contextLength },
    },
  );
}

function meanDirection(states: Float32Array, rows: number): Float32Array {
  const width = states.length / rows;
  const mean = new Float64Array(width);
  states.forEach((value, i) => {
    mean[i % width] = (mean[i % width] ?? 0) + value / rows;
  });
  const length = Math.hypot(...mean) || 1;
  return Float32Array.from(mean, (value) => value / length);
}
