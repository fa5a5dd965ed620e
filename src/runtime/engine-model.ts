import { chooseMatryoshka } from '../attention/matryoshka.ts';
import { chooseMoh } from '../attention/moh.ts';
import { chooseTokenSelect } from '../attention/token-select.ts';
import { invalidArgument, throwIfAborted, toVitrailError, VitrailError } from '../errors.ts';
import type { TensorInfo } from '../formats/header.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { isPacked, kvFormats, packedBlock } from '../kernels/kv-format.ts';
import { capacityOf } from '../kernels/selection-use.ts';
import type { Architecture, TransformerConfig } from '../models/config.ts';
import { Decoder } from '../models/decoder.ts';
import { DecoderWeights } from '../models/decoder-weights.ts';
import { architectureOf } from '../models/registry.ts';
import type { OpenModel } from '../storage/weight-store.ts';
import { encodeChat } from '../tokenizer/chat-template.ts';
import { tokenizerOfModel } from '../tokenizer/model-tokenizer.ts';
import type { Detokenizer, Tokenizer, TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type {
  AttentionOptions,
  GenerateOptions,
  GenerationResult,
  KvCacheFormat,
  LanguageModelInfo,
  LoadOptions,
  LoadProgress,
  Message,
  Source,
} from '../types.ts';
import { generationSettings } from './generate-options.ts';
import { Generator } from './generator.ts';
import type { Emit } from './model-contract.ts';
import { samplingDefaults } from './sampling-options.ts';
import type { ModelLoad, RestorableModel, TextCore } from './text-part.ts';

/** Tokens of context unless the caller wants more: what most chats need, at a cache that small GPUs hold. */
const defaultContextLength = 4096;

/** Building a tokenizer of 50,000 tokens takes 0.2 s, which a load need not wait for. */
class LazyTokenizer {
  readonly endIds: ReadonlySet<number>;
  readonly #core: TextCore;
  readonly #definition: TokenizerDefinition;
  #built: Tokenizer | null = null;

  constructor(core: TextCore, definition: TokenizerDefinition) {
    this.#core = core;
    this.#definition = definition;
    this.endIds = new Set(definition.endIds);
  }

  get(): Tokenizer {
    this.#built ??= this.#core.createTokenizer(this.#definition);
    return this.#built;
  }

  createDetokenizer(): Detokenizer {
    return this.#core.createDetokenizer(this.get());
  }

  /** Builds it once the load has been answered, so that the first request need not wait either. */
  buildSoon(): void {
    setTimeout(() => this.get(), 0);
  }
}

/** What is on the GPU of one model; replaced as a whole when the device is lost. */
interface Loaded {
  weights: DecoderWeights;
  decoder: Decoder;
  generator: Generator;
}

/** A loaded language model. Its requests run one after the other. */
export class EngineModel implements RestorableModel {
  readonly info: LanguageModelInfo;
  readonly tokenizerDefinition: TokenizerDefinition;
  readonly #tokenizer: LazyTokenizer;
  readonly #core: TextCore;
  readonly #source: Source;
  readonly #options: LoadOptions;
  readonly #ready: () => Promise<void>;
  readonly #disposeListeners: (() => void)[] = [];
  #loaded: Loaded | null;

  /** Allocates, compiles while the weights stream in. Throws what storage, parsers and the GPU throw; nothing stays on the GPU then. */
  static async load(load: ModelLoad): Promise<EngineModel> {
    const { core, gpu, source, options, opening, ready } = load;
    checkAttention(options.attention);
    const file = await opening;
    const { definition, warnings } = tokenizerOfModel(file);
    const { architecture, config } = configure(file, options);
    const tokenizer = new LazyTokenizer(core, definition);
    const loaded = await upload(gpu, file, architecture, config, tokenizer, options);
    tokenizer.buildSoon();
    const info = describeModel(file, config, options, definition.chatTemplate !== null, warnings);
    // The store has the weights from now on: the source itself need not be kept in memory.
    const reloadFrom = file.stored ? `store:${file.id}` : source;
    return new EngineModel(info, definition, tokenizer, core, reloadFrom, options, ready, loaded);
  }

  private constructor(
    info: LanguageModelInfo,
    definition: TokenizerDefinition,
    tokenizer: LazyTokenizer,
    core: TextCore,
    source: Source,
    options: LoadOptions,
    ready: () => Promise<void>,
    loaded: Loaded,
  ) {
    this.info = info;
    this.tokenizerDefinition = definition;
    this.#tokenizer = tokenizer;
    this.#core = core;
    this.#source = source;
    this.#ready = ready;
    this.#loaded = loaded;
    // What belongs to the first load only does not come along to a reload.
    const { signal: _, onProgress: __, ...kept } = options;
    this.#options = kept;
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
    const { architecture, config } = configure(file, this.#options);
    this.#loaded = await upload(gpu, file, architecture, config, this.#tokenizer, this.#options);
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

/** Attention methods that are not there yet are refused, not passed over. */
function checkAttention(attention: AttentionOptions = {}): void {
  for (const [name, value] of Object.entries(attention)) {
    if (value === undefined || value === false) continue;
    if (name === 'kvCache' && kvFormats.some((format) => format === value)) continue;
    if (name === 'moh' || name === 'tokenSelect' || name === 'matryoshka') continue;
    throw invalidArgument(
      'model/load',
      `attention.${name} is ${JSON.stringify(value)}, which is not supported.`,
      `Leave it out, or give kvCache one of: ${kvFormats.join(', ')}.`,
    );
  }
}

function configure(
  file: OpenModel,
  options: LoadOptions,
): { architecture: Architecture; config: TransformerConfig } {
  const architecture = architectureOf(file.header);
  const wanted = options.contextLength;
  if (wanted !== undefined && !(Number.isSafeInteger(wanted) && wanted > 0)) {
    throw invalidArgument(
      'model/load',
      `contextLength is ${String(wanted)}.`,
      'Give contextLength a whole number of at least 1.',
    );
  }
  const trained = architecture.config(file.header, { contextLength: wanted ?? 1 });
  const contextLength = wanted ?? Math.min(trained.maxPositionEmbeddings, defaultContextLength);
  const { attention } = options;
  const chosen = chooseTokenSelect(attention?.tokenSelect, trained.maxPositionEmbeddings);
  const tokenSelect = chosen && capacityOf(chosen) < contextLength ? chosen : null;
  // Of what is selected, positions never go beyond the working set.
  const positions = tokenSelect ? capacityOf(tokenSelect) : contextLength;
  const config = architecture.config(file.header, { contextLength: positions });
  const moh = chooseMoh(config.moh, config.numAttentionHeads, attention?.moh);
  const matryoshka = chooseMatryoshka(file.header, config, attention?.matryoshka);
  const chosenConfig = { ...config, moh, tokenSelect, matryoshka };
  checkKvCache(chosenConfig, attention?.kvCache);
  return { architecture, config: chosenConfig };
}

/** Caches of blocks take whole blocks; where they are narrow, eight numbers are read at once, and widths are eighths of a head. */
function checkKvCache(
  { headDim, matryoshka }: TransformerConfig,
  kvCache: KvCacheFormat = 'f16',
): void {
  const unit = matryoshka ? 2 * packedBlock : packedBlock;
  if (!isPacked(kvCache) || headDim % unit === 0) return;
  throw invalidArgument(
    'model/load',
    `attention.kvCache ${kvCache} is for heads of a multiple of ${unit} components (here ${headDim}).`,
    matryoshka ? "Give kvCache: 'f16', or leave matryoshka out." : "Give kvCache: 'f16'.",
  );
}

/** Compiles and uploads side by side. What is allocated is freed again when anything fails. */
async function upload(
  gpu: Gpu,
  file: OpenModel,
  architecture: Architecture,
  config: TransformerConfig,
  tokenizer: LazyTokenizer,
  options: LoadOptions,
): Promise<Loaded> {
  const names = architecture.weights(file.header, config);
  const formatOf = (tensor: TensorInfo) => file.formatOf(tensor);
  let weights: DecoderWeights | undefined;
  const allocation = gpu.withMemoryCheck(() => {
    weights = new DecoderWeights(gpu, config, names, file.header.tensors, formatOf);
    return weights;
  });
  allocation.catch(() => undefined);
  // The GPU's verdict takes as long as reading the first shards: what is stored already is read meanwhile.
  if (!weights || !file.cached) weights = await allocation;
  const compiling = Decoder.create(gpu, config, weights, {
    contextLength: contextLengthOf(config, options),
    kvCache: options.attention?.kvCache ?? 'f16',
  });
  compiling.catch(() => undefined);
  try {
    await uploadChunks(gpu, file, weights, allocation, options);
    options.onProgress?.(compileProgress(file));
    const decoder = await compiling;
    decoder.writeRopeTables(weights.vectors);
    throwIfAborted(options.signal, 'model/load');
    const generator = new Generator(gpu, decoder, tokenizer);
    return { weights, decoder, generator };
  } catch (thrown) {
    await compiling.then((decoder) => decoder.dispose()).catch(() => undefined);
    weights.dispose();
    throw toVitrailError(thrown, 'model/load');
  }
}

/** All bytes are there; what is left is the compiler's, which says nothing of its progress. */
function compileProgress({ gpuBytes, cached }: OpenModel): LoadProgress {
  return {
    phase: 'compile',
    loadedBytes: gpuBytes,
    totalBytes: gpuBytes,
    cached,
    bytesPerSecond: 0,
    etaMs: 0,
  };
}

/** Bytes that may wait for the GPU at once: `writeBuffer` copies, and unbounded copies would pile up in memory. */
const uploadWindowBytes = 64 * 2 ** 20;

async function uploadChunks(
  gpu: Gpu,
  file: OpenModel,
  weights: DecoderWeights,
  allocation: Promise<unknown>,
  options: LoadOptions,
): Promise<void> {
  let waiting = 0;
  for await (const chunk of file.chunks()) {
    await allocation;
    throwIfAborted(options.signal, 'model/upload');
    gpu.checkAlive();
    weights.upload(chunk);
    waiting += chunk.bytes.byteLength;
    if (waiting < uploadWindowBytes) continue;
    await gpu.device.queue.onSubmittedWorkDone();
    waiting = 0;
  }
}

async function unload({ weights, decoder, generator }: Loaded): Promise<void> {
  await generator.dispose();
  decoder.dispose();
  weights.dispose();
}

function contextLengthOf(config: TransformerConfig, options: LoadOptions): number {
  return options.contextLength ?? Math.min(config.maxPositionEmbeddings, defaultContextLength);
}

function describeModel(
  file: OpenModel,
  config: TransformerConfig,
  options: LoadOptions,
  chatTemplate: boolean,
  warnings: string[],
): LanguageModelInfo {
  const tensors = [...file.header.tensors.values()];
  return {
    name: config.name || file.name,
    architecture: config.architecture,
    quantization: mainFormat(file).toUpperCase(),
    parameters: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    weightBytes: file.gpuBytes,
    contextLength: contextLengthOf(config, options),
    layers: config.numHiddenLayers,
    heads: config.numAttentionHeads,
    kvHeads: config.numKeyValueHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    chatTemplate,
    attention: [
      'flash',
      ...(config.moh ? ['moh'] : []),
      ...(config.tokenSelect ? ['token-select'] : []),
      ...(config.matryoshka ? ['matryoshka'] : []),
    ],
    sampling: samplingDefaults(file.header),
    warnings,
  };
}

/** The storage format that holds most of the weights. */
function mainFormat(file: OpenModel): string {
  const elements = new Map<string, number>();
  for (const tensor of file.header.tensors.values()) {
    const { name } = file.formatOf(tensor);
    const count = tensor.shape.reduce((a, b) => a * b, 1);
    elements.set(name, (elements.get(name) ?? 0) + count);
  }
  const [first] = [...elements].sort((a, b) => b[1] - a[1]);
  return first?.[0] ?? '';
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
