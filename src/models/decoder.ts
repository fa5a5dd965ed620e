import {
  Attention,
  type OneToken,
  type ProjectionTarget,
  stateHeaderBytes,
} from '../attention/attention.ts';
import { BufferSet } from '../gpu/buffer-set.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { findVariant, prepareDispatch } from '../gpu/kernel.ts';
import { embedding } from '../kernels/embedding.ts';
import { gatedActivation } from '../kernels/gated-activation.ts';
import { summandsLength } from '../kernels/head-summand.ts';
import { kvBytes } from '../kernels/kv-format.ts';
import { lastRow } from '../kernels/last-row.ts';
import {
  canGate,
  type Linear,
  linearGated,
  linearMatrix,
  linearVector,
  type VectorOptions,
} from '../kernels/linear.ts';
import { matmulTokens } from '../kernels/matmul.ts';
import { matrixUnsupported } from '../kernels/matrix-support.ts';
import { type MatvecUse, matvec } from '../kernels/matvec.ts';
import { canFuseQkv, qkv as qkvKernel, qkvParts } from '../kernels/qkv.ts';
import { type RmsNormUse, rmsNorm } from '../kernels/rms-norm.ts';
import { rope } from '../kernels/rope.ts';
import {
  packSampler,
  type SamplerSettings,
  sample,
  sampledRing,
  samplerBytes,
} from '../kernels/sample.ts';
import { isLong, passTokensOf } from '../kernels/selection-use.ts';
import { groupElements } from '../quant/format.ts';
import type { KvCacheFormat } from '../types.ts';
import type { TransformerConfig } from './config.ts';
import type { DecoderWeights, LayerWeights } from './decoder-weights.ts';
import { rowsOfPass } from './pass-rows.ts';

export interface DecoderOptions {
  /** Tokens that the KV cache holds. */
  contextLength: number;
  kvCache: KvCacheFormat;
  /** See `AttentionSettings`. */
  splitFrom?: number;
}

/** Tokens of one pass at most. Small on software adapters, so that an abort is heard in time. */
const passRows = { hardware: 2048, software: 32 } as const;
/** A pass of so many tokens is worth its memory. */
const usualRows = 1024;
/** The widest activation of such a pass takes at most this much, so that large models do not pay for long passes. */
const maxActivationBytes = 64 * 2 ** 20;
/** Longer passes where all activations together take at most this share of what weights and cache take. */
const activationShare = 0.145;
/** Summands of the output projection that are cheaper to read once more in every workgroup than a dispatch is; of no model are there more. */
const maxSummandBytes = 32 * 2 ** 10;
/** Dispatches of a long pass that are submitted first; then twice as many each time, as long as the GPU takes for more than the host. */
const firstPart = 8;
/** Rows of logits that are made and read at once. */
const logitsRows = 32;
/** Bytes that the last sampled tokens take. */
export const samplingBytes: number = sampledRing * 4;
/**
 * So many steps behind what the host wrote select for themselves, in each layer, where tokens are selected: an answer begins with what it looks
 * for. The others go on with what the step before them asked for, which is quicker.
 */
export const ownSelections = 16;

type Dispatches = readonly Dispatch[];

/**
 * The layers for one token, for one token far into the context, for one that selects for itself, and for many tokens: these end with the
 * keys and values of the last layer, or with its attention, since nothing else of it is asked of most of them: see `takesLastAlone`.
 */
type Body = 'one' | 'oneFar' | 'own' | 'many';

/** Where one token's residual stream lies, and a state that has one row, where these are not those of the pass. */
interface OneRow {
  x?: GPUBuffer;
  state?: GPUBuffer;
}

type Buffers = Record<
  | 'state'
  | 'oneRow'
  | 'x'
  | 'xTurn'
  | 'summands'
  | 'qkv'
  | 'attended'
  | 'gateUp'
  | 'activated'
  | 'passNormed'
  | 'passAttended'
  | 'passActivated'
  | 'projected'
  | 'logits'
  | 'seen'
  | 'sampler',
  GPUBuffer
>;

/**
 * A decoder-only transformer on the GPU. Everything is allocated and compiled in `create`; a pass only records
 * dispatches. Two forms of each layer exist: for one token (matrix · vector, five or six dispatches) and for many.
 *
 * The position and the sampled token stay on the GPU: `step` needs nothing from the host, so several steps can be queued.
 */
export class Decoder {
  readonly config: TransformerConfig;
  readonly contextLength: number;
  /** Tokens of one pass at most. */
  readonly passRows: number;
  readonly #gpu: Gpu;
  readonly #weights: DecoderWeights;
  readonly #attention: Attention;
  /** How inputs of matrix products are stored: in halves where the subgroup-matrix kernels read them. */
  readonly #inputs: 'f32' | 'f16';
  /** Heads are projected where they attend. */
  #projectsHeads = false;
  readonly #owned: BufferSet;
  readonly #buffers: Buffers;
  #bodies!: Record<Body, Dispatches>;
  /** Behind a pass: what is left of its last layer, for all of its tokens. */
  #rest!: Dispatches;
  /** The passes that end in a sampled token, by body and sampler: put together once, so that a step allocates nothing. */
  #sampled!: Record<Body, Record<'greedy' | 'random', Dispatches>>;
  /** From this position on steps need not select for themselves. */
  #asksLaterFrom = 0;
  /** Where the next token stands that working sets were left for. */
  #readUntil = -1;
  #allLogits: Promise<{ tail: Dispatches; logits: GPUBuffer }> | null = null;

  /** Allocates and compiles. The weights may still be on their way. */
  static async create(
    gpu: Gpu,
    config: TransformerConfig,
    weights: DecoderWeights,
    options: DecoderOptions,
  ): Promise<Decoder> {
    const decoder = await gpu.withMemoryCheck(() => new Decoder(gpu, config, weights, options));
    try {
      await decoder.#compile();
    } catch (thrown) {
      decoder.dispose();
      throw thrown;
    }
    return decoder;
  }

  private constructor(
    gpu: Gpu,
    config: TransformerConfig,
    weights: DecoderWeights,
    options: DecoderOptions,
  ) {
    this.#gpu = gpu;
    this.config = config;
    this.#weights = weights;
    this.contextLength = options.contextLength;
    const matrices = options.kvCache !== 'f32' && matrixUnsupported(gpu.capabilities) === null;
    this.#inputs = matrices ? 'f16' : 'f32';
    this.passRows = this.#rowsOfPass(weightBytes(weights) + cacheBytes(config, options));
    this.#owned = new BufferSet(gpu);
    try {
      this.#buffers = this.#allocate();
      gpu.write(this.#buffers.oneRow, 0, Uint32Array.of(0, 1));
      const { passActivated: queries } = this.#buffers;
      const settings = { ...options, passRows: this.passRows, queries };
      this.#attention = new Attention(gpu, config, settings, this.#buffers.state, this.#owned);
    } catch (thrown) {
      this.#owned.dispose();
      throw thrown;
    }
  }

  /** Bytes that hold the keys and values of the whole context. */
  get kvCacheBytes(): number {
    return this.#attention.cacheBytes;
  }

  /** Fills RoPE's tables; `factors` are the vectors of the file that divide the frequencies. Before the first pass. */
  writeRopeTables(factors: ReadonlyMap<string, Float32Array>): void {
    this.#attention.writeRopeTables(factors);
  }

  /** Starts a generation: the settings of the sampler and the tokens that the repetition penalty knows. */
  beginSampling(settings: SamplerSettings, seen: Iterable<number>): void {
    const bits = new Uint32Array(this.#buffers.seen.size / 4);
    for (const token of seen) bits[token >> 5] = (bits[token >> 5] ?? 0) | (1 << (token & 31));
    this.#gpu.write(this.#buffers.seen, 0, bits);
    this.#gpu.write(this.#buffers.sampler, 0, packSampler(settings));
  }

  /** Computes tokens at `position` and puts them into the KV cache. At most `passRows` of them. */
  pass(tokens: readonly number[], position: number): void {
    const body = this.#bodies[this.#beginPass(tokens, position)];
    this.#gpu.submit(this.#submitAhead(body, tokens.length), tokens.length);
  }

  /**
   * `pass`, then samples the token that follows, which becomes the next step's input. `staging` gets the last sampled tokens
   * (`samplingBytes`, see `sampledTokens`).
   */
  passAndSample(
    tokens: readonly number[],
    position: number,
    greedy: boolean,
    staging: GPUBuffer,
  ): void {
    const body = this.#beginPass(tokens, position);
    this.#submitSampled([body], tokens.length, greedy, staging);
  }

  /**
   * `count` decode steps from what the last one left on the GPU: one encoder, one pass, one submit, nothing written. `position`
   * is where the first of their inputs stands. At most as many as the ring of sampled tokens holds.
   */
  steps(count: number, position: number, greedy: boolean, staging: GPUBuffer): void {
    const bodies = Array.from({ length: count }, (_, i) => this.#bodyOfStep(position + i));
    this.#readUntil = position + count;
    this.#submitSampled(bodies, 1, greedy, staging);
  }

  /** Logits [tokens − first, vocabSize] of a text's tokens from `first` on; the text begins at position 0. Overwrites the KV cache. */
  async logits(tokens: readonly number[], first = 0): Promise<Float32Array> {
    const { vocabSize } = this.config;
    const { tail, logits } = await this.#prepareAllLogits();
    for (let at = 0; at < first; at += this.passRows) {
      this.pass(tokens.slice(at, Math.min(first, at + this.passRows)), at);
    }
    const rows = Math.min(this.passRows, logitsRows);
    return this.#readPasses(tokens.slice(first), first, rows, tail, logits, vocabSize);
  }

  /** Final hidden states [tokens, hiddenSize] of a text from position 0, normalized. Overwrites the KV cache. */
  async hiddenStates(tokens: readonly number[]): Promise<Float32Array> {
    const { hiddenSize } = this.config;
    const { x, projected } = this.#buffers;
    const tail = [await this.#norm(x, this.#weights.finalNorm, projected)];
    const wide = await this.#readPasses(tokens, 0, this.passRows, tail, projected, pad(hiddenSize));
    if (pad(hiddenSize) === hiddenSize) return wide;
    const rows = Array.from(tokens, (_, i) =>
      wide.subarray(i * pad(hiddenSize), i * pad(hiddenSize) + hiddenSize),
    );
    return Float32Array.from(rows.flatMap((row) => [...row]));
  }

  /** How many layers attend to each token of the context when the next one is computed. */
  async attended(): Promise<Uint32Array<ArrayBuffer>> {
    const [position = 0, rows = 0, , continues = 0] = await this.#gpu.readBuffers([
      this.#buffers.state,
    ]);
    // Behind a sampled token the position is the next one's already.
    return this.#attention.attended(
      Math.min(this.contextLength, position + (continues ? 0 : rows)),
    );
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #writeState(tokens: readonly number[], position: number): void {
    const contents = Uint32Array.of(position, tokens.length, 0, 0, ...tokens);
    this.#gpu.write(this.#buffers.state, 0, contents);
    this.#readUntil = position + tokens.length;
    this.#asksLaterFrom = this.#readUntil + ownSelections;
    if (tokens.length > 1) {
      this.#gpu.write(this.#buffers.oneRow, 0, Uint32Array.of(this.#readUntil - 1, 1));
    }
  }

  /** Where tokens are selected, a single one is a step only behind what was read last: working sets were left for that. */
  #beginPass(tokens: readonly number[], position: number): Body {
    const { tokenSelect } = this.config;
    const isNext = position === this.#readUntil;
    this.#writeState(tokens, position);
    if (tokens.length > 1) return 'many';
    if (!tokenSelect) return this.#bodyOfStep(position);
    return isNext && isLong(tokenSelect, position + 1) ? 'own' : 'many';
  }

  #bodyOfStep(position: number): Body {
    const { tokenSelect } = this.config;
    const asksForItself = position < this.#asksLaterFrom;
    if (tokenSelect && asksForItself && isLong(tokenSelect, position + 1)) return 'own';
    return this.#attention.isFar(position) ? 'oneFar' : 'one';
  }

  #submitSampled(bodies: readonly Body[], rows: number, greedy: boolean, staging: GPUBuffer): void {
    const sampler = greedy ? 'greedy' : 'random';
    const whole = bodies.map((body) => this.#sampled[body][sampler]);
    const lists = rows > 1 ? whole.map((list) => this.#submitAhead(list, rows)) : whole;
    this.#gpu.submitAll(lists, rows, (encoder) =>
      encoder.copyBufferToBuffer(
        this.#buffers.state,
        stateHeaderBytes + 4,
        staging,
        0,
        samplingBytes,
      ),
    );
  }

  /** Submits a long pass but for its last part, which comes back: the GPU begins while the host still records. */
  #submitAhead(dispatches: Dispatches, rows: number): Dispatches {
    let left = dispatches.filter((dispatch) => dispatch.workgroups(rows)[0] > 0);
    for (let part = firstPart; part < left.length; part *= 2) {
      this.#gpu.submit(left.slice(0, part), rows);
      left = left.slice(part);
    }
    return left;
  }

  /** What `tail` makes of tokens from `position` on, in passes of `rows`. */
  async #readPasses(
    tokens: readonly number[],
    position: number,
    rows: number,
    tail: Dispatches,
    source: GPUBuffer,
    width: number,
  ): Promise<Float32Array> {
    const out = new Float32Array(tokens.length * width);
    const staging = this.#gpu.createBuffer(
      'rows readback',
      rows * width * 4,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
    try {
      for (let first = 0; first < tokens.length; first += rows) {
        const part = tokens.slice(first, first + rows);
        this.#writeState(part, position + first);
        const bytes = part.length * width * 4;
        this.#gpu.submit([...this.#bodies.many, ...this.#rest, ...tail], part.length, (encoder) =>
          encoder.copyBufferToBuffer(source, 0, staging, 0, bytes),
        );
        out.set(new Float32Array(await this.#gpu.readStaging(staging, bytes)), first * width);
      }
    } finally {
      this.#gpu.destroyBuffer(staging);
    }
    return out;
  }

  /**
   * Bytes of a token in the buffers of a pass. What a product makes is used up before the next one begins, and so is a product's input: one
   * buffer for each of both. Queries are used up before anything is activated.
   */
  #tokenBytes(): Record<'residual' | 'products' | 'inputs' | 'activated', number> {
    const { numAttentionHeads, numKeyValueHeads, headDim, intermediateSize, hiddenAct } =
      this.config;
    const hidden = pad(this.config.hiddenSize);
    const queries = numAttentionHeads * headDim;
    const input = this.#inputs === 'f16' ? 2 : 4;
    const { layers } = this.#weights;
    const isActivated =
      this.#inputs === 'f16' && layers.every(({ gateUp }) => canGate(this.#gpu, gateUp, hiddenAct));
    return {
      residual: hidden * 4,
      products:
        4 *
        Math.max(
          queries + 2 * numKeyValueHeads * headDim,
          hidden,
          isActivated ? 0 : 2 * intermediateSize,
        ),
      inputs: Math.max(hidden, pad(queries)) * input,
      activated: Math.max(pad(intermediateSize) * input, queries * 4),
    };
  }

  /** Tokens of a pass, where weights and cache take `held` bytes. */
  #rowsOfPass(held: number): number {
    const { tokenSelect } = this.config;
    const { software, maxBindingBytes } = this.#gpu.capabilities;
    const { products, residual, inputs, activated } = this.#tokenBytes();
    const kept = residual + inputs + activated;
    const usual = Math.min(usualRows, maxActivationBytes / products);
    return rowsOfPass(
      { kept, products },
      {
        rows: Math.min(
          passRows[software ? 'software' : 'hardware'],
          tokenSelect ? passTokensOf(tokenSelect) : Number.POSITIVE_INFINITY,
        ),
        bytes: Math.max(activationShare * held, usual * (kept + products)),
        bufferBytes: maxBindingBytes,
      },
    );
  }

  #allocate(): Buffers {
    const { config } = this;
    const { numAttentionHeads: heads, headDim } = config;
    const rows = Math.ceil(this.passRows / matmulTokens) * matmulTokens;
    const bytes = this.#tokenBytes();
    const floats = (label: string, count: number) => this.#owned.storage(label, count * 4);
    const products = this.#owned.storage('products', rows * bytes.products);
    const passInputs = this.#owned.storage('inputs of products', rows * bytes.inputs);
    return {
      oneRow: this.#owned.storage('state of one row', stateHeaderBytes + 4),
      state: this.#owned.create(
        'state',
        stateHeaderBytes + Math.max(rows, 1 + sampledRing) * 4,
        GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC,
      ),
      x: this.#owned.storage('residual', rows * bytes.residual),
      xTurn: floats('residual of one token', pad(config.hiddenSize)),
      summands: floats(
        'summands of heads',
        // Those of two workgroups a head, with what puts them together.
        summandsLength(
          heads,
          Math.min(config.hiddenSize, Math.floor(maxSummandBytes / 4 / heads)),
          true,
        ),
      ),
      qkv: products,
      gateUp: products,
      projected: products,
      attended: floats('attended', heads * headDim),
      activated: floats('activated', pad(config.intermediateSize)),
      passNormed: passInputs,
      passAttended: passInputs,
      passActivated: this.#owned.storage('activated, and queries', rows * bytes.activated),
      logits: floats('logits', config.vocabSize),
      seen: this.#owned.storage('seen tokens', Math.ceil(config.vocabSize / 32) * 4),
      sampler: this.#owned.create('sampler', samplerBytes, GPUBufferUsage.UNIFORM),
    };
  }

  async #compile(): Promise<void> {
    this.#projectsHeads = this.#canProjectHeads();
    const { layers } = this.#weights;
    const each = (build: (layer: LayerWeights, index: number) => Promise<Dispatch>[]) =>
      layers.flatMap((layer, index) => build(layer, index));
    const vocabulary = this.config.vocabSize;
    const forOne = (how: OneToken) =>
      Promise.all([
        ...this.#embed(this.#xOfLayer(0)),
        ...each((layer, i) => this.#layerForOne(layer, i, how)),
      ]);
    const { tokenSelect } = this.config;
    // At the end of the context, or with a full working set. Where that is near, as on all software adapters, no shader for far ones is compiled.
    const far = this.#attention.isFar(this.contextLength);
    const { takesLastAlone } = this.#attention;
    const last = layers.at(-1);
    const attendsLater = (layer: LayerWeights) => layer === last && takesLastAlone;
    const forMany = (layer: LayerWeights, i: number) => [
      ...this.#projectForMany(layer, i),
      ...(attendsLater(layer) ? [] : this.#attendForMany(layer, i)),
      ...(layer === last ? [] : this.#feedForMany(layer)),
    ];
    const restOfLast = (layer: LayerWeights) => [
      ...(attendsLater(layer) ? this.#attendForMany(layer, layers.length - 1) : []),
      ...this.#feedForMany(layer),
    ];
    const { x, xTurn, state, oneRow } = this.#buffers;
    const [one, oneFar, own, many, rest, lastOfMany, after, head, greedy, random] =
      await Promise.all([
        forOne({ far: false }),
        forOne({ far }),
        tokenSelect ? forOne({ far, own: true }) : [],
        Promise.all([...this.#embed(), ...each(forMany)]),
        Promise.all(last ? restOfLast(last) : []),
        Promise.all([
          ...(last ? this.#layerForLast(last, layers.length - 1, far) : []),
          ...this.#lmHead(xTurn, oneRow),
        ]),
        Promise.all(this.#attention.afterStep(layers[0]?.bases ?? null)),
        Promise.all(this.#lmHead(x, state)),
        this.#sample({ vocabulary, greedy: true }),
        this.#sample({ vocabulary, greedy: false }),
      ]);
    const withSampler = (body: Dispatches) => ({
      greedy: [...body, greedy],
      random: [...body, random],
    });
    this.#bodies = { one, oneFar, own, many };
    this.#rest = rest;
    this.#sampled = {
      one: withSampler([...one, ...after, ...head]),
      oneFar: withSampler([...oneFar, ...after, ...head]),
      own: withSampler([...own, ...head]),
      many: withSampler([...many, ...lastOfMany]),
    };
  }

  /** One lookup for each part of the matrix: a part writes the rows of its own tokens. */
  #embed(x = this.#buffers.x): Promise<Dispatch>[] {
    const { parts, rows, columns } = this.#weights.embedding;
    const { state } = this.#buffers;
    return parts.map(({ matrix, yOffset }) =>
      prepareDispatch(
        this.#gpu,
        embedding,
        {
          format: matrix.format,
          vocabulary: matrix.rows,
          columns,
          scale: this.config.embeddingScale,
          ...(matrix.rows < rows ? { firstToken: yOffset } : {}),
        },
        { state, weights: matrix.buffer, y: x },
      ),
    );
  }

  #layerForOne(layer: LayerWeights, index: number, how: OneToken): Promise<Dispatch>[] {
    const { attended, activated } = this.#buffers;
    const x = this.#xOfLayer(index);
    const toNarrow = this.#attention.narrowTarget(index, layer.bases);
    const narrow = this.#fusedQkv(layer, x, toNarrow, how.far);
    const attends = { ...how, ...(narrow ? { parts: narrow.parts } : {}) };
    const projected = this.#projectedHeads(layer, index, attends);
    const next = this.#xOfLayer(index + 1);
    return [
      ...(narrow?.dispatches ?? this.#projectForOne(layer, index, { x })),
      ...this.#attention.route(index, 'one', { ...layer, x }),
      ...(projected ?? [
        ...this.#attention.one(index, attends, attended, layer.bases),
        ...this.#addProjected(layer.output, attended, layer.postAttentionNorm, 'vector', {
          isOfHeads: true,
        }),
        ...this.#gateUpForOne(layer),
      ]),
      ...this.#addProjected(layer.down, activated, layer.postFeedForwardNorm, 'vector', {
        x: next,
      }),
    ];
  }

  /** Queries of one token; its keys and values go into the cache. */
  #projectForOne(
    layer: LayerWeights,
    index: number,
    { x, state }: OneRow & { x: GPUBuffer },
  ): Promise<Dispatch>[] {
    const { qkv } = this.#buffers;
    const { shape, buffers } = this.#attention.target(index, 'one');
    const target = { shape, buffers: { ...buffers, ...(state ? { state } : {}) } };
    return (
      this.#fusedQkv(layer, x, target)?.dispatches ?? [
        ...linearVector(this.#gpu, layer.qkv, x, qkv, { norm: this.#normOf(layer.attentionNorm) }),
        this.#rotate(layer, target),
      ]
    );
  }

  /** The residual stream of one token before a layer: two buffers take turns where a kernel adds to it while others read it. */
  #xOfLayer(index: number): GPUBuffer {
    const { x, xTurn } = this.#buffers;
    return this.#projectsHeads && (this.#weights.layers.length - index) % 2 === 1 ? xTurn : x;
  }

  /** Heads leave summands of the output projection, which the gates and ups behind them add up: a dispatch less. */
  #projectedHeads(layer: LayerWeights, index: number, how: OneToken): Promise<Dispatch>[] | null {
    const [output] = layer.output.parts;
    if (!this.#projectsHeads || !output) return null;
    const { summands } = this.#buffers;
    return [
      ...this.#attention.oneProjected(index, how, output.matrix, summands, layer.bases),
      ...this.#gateUpForOne(layer, {
        x: this.#xOfLayer(index),
        summing: { x_sum: this.#xOfLayer(index + 1), summands },
        shared: this.#attention.sharesKeys(index),
      }),
    ];
  }

  /** Few and narrow heads: all workgroups of the next kernel read all summands. */
  #canProjectHeads(): boolean {
    const { numAttentionHeads, hiddenSize } = this.config;
    return (
      numAttentionHeads * hiddenSize * 4 <= maxSummandBytes &&
      hiddenSize % groupElements === 0 &&
      this.#weights.layers.every((layer) => {
        const [output, more] = layer.output.parts;
        if (!output || more || output.bias || layer.postAttentionNorm) return false;
        const use = this.#gateUpUse(layer);
        return (
          this.#attention.canProject(output.matrix.format) &&
          use !== null &&
          findVariant(matvec, { ...use, summands: numAttentionHeads }, this.#gpu.capabilities) !==
            null
        );
      })
    );
  }

  /** Null where gate and up have different formats. */
  #gateUpUse({ gateUp }: LayerWeights): MatvecUse | null {
    const [both, second] = gateUp.parts;
    if (!both || second) return null;
    return {
      format: both.matrix.format,
      rows: both.matrix.rows / 2,
      columns: both.matrix.columns,
      normEpsilon: this.config.rmsNormEps,
      gated: this.config.hiddenAct,
    };
  }

  #gateUpForOne(
    layer: LayerWeights,
    {
      x = this.#buffers.x,
      state = this.#buffers.state,
      summing,
      shared = false,
    }: OneRow & { summing?: Record<'x_sum' | 'summands', GPUBuffer>; shared?: boolean } = {},
  ): Promise<Dispatch>[] {
    const { gateUp, activated } = this.#buffers;
    const norm = layer.feedForwardNorm;
    const use = this.#gateUpUse(layer);
    const [both] = layer.gateUp.parts;
    if (!use || !both) {
      // Two products, then the activation.
      const products = linearVector(this.#gpu, layer.gateUp, x, gateUp, {
        norm: this.#normOf(norm),
      });
      return [...products, this.#activate(activated, 'f32', state)];
    }
    const summands = summing ? { summands: this.config.numAttentionHeads, shared } : {};
    const buffers = { weights: both.matrix.buffer, x, y: activated, norm_weight: norm, ...summing };
    return [prepareDispatch(this.#gpu, matvec, { ...use, ...summands }, buffers)];
  }

  /** A layer for the tokens of a pass: queries, and keys and values on their way into the cache. */
  #projectForMany(layer: LayerWeights, index: number): Promise<Dispatch>[] {
    const { qkv, passNormed } = this.#buffers;
    return [
      this.#normForProduct(layer.attentionNorm),
      ...this.#matrix(layer.qkv, passNormed, qkv),
      this.#rotate(layer, this.#attention.target(index, 'many')),
    ];
  }

  /** Up to the outputs of its heads. */
  #attendForMany(layer: LayerWeights, index: number): Promise<Dispatch>[] {
    const { x, passAttended } = this.#buffers;
    return [
      ...this.#attention.route(index, 'many', { ...layer, x }),
      ...this.#attention.many(index, passAttended, this.#inputs, layer.bases),
    ];
  }

  /** The rest of it. */
  #feedForMany(layer: LayerWeights): Promise<Dispatch>[] {
    const { passAttended, passActivated } = this.#buffers;
    return [
      ...this.#addProjected(layer.output, passAttended, layer.postAttentionNorm, 'matrix'),
      this.#normForProduct(layer.feedForwardNorm),
      ...this.#gateUpForMany(layer),
      ...this.#addProjected(layer.down, passActivated, layer.postFeedForwardNorm, 'matrix'),
    ];
  }

  /**
   * The last layer for the last token of a pass alone, whose residual stream goes on in `xTurn`: all of it, as in a step, where the pass has
   * left its keys and values alone; else what follows on its heads.
   */
  #layerForLast(layer: LayerWeights, index: number, far: boolean): Promise<Dispatch>[] {
    const { x, xTurn: own, attended, activated, passAttended, oneRow: state } = this.#buffers;
    const { numAttentionHeads, headDim, hiddenSize } = this.config;
    const one = { x: own, state };
    return [
      this.#lastRow(x, own, pad(hiddenSize), 'f32'),
      ...(this.#attention.takesLastAlone
        ? [
            ...this.#projectForOne(layer, index, one),
            ...this.#attention.one(index, { far, state }, attended, layer.bases),
          ]
        : [this.#lastRow(passAttended, attended, numAttentionHeads * headDim, this.#inputs)]),
      ...this.#addProjected(layer.output, attended, layer.postAttentionNorm, 'vector', one),
      ...this.#gateUpForOne(layer, one),
      ...this.#addProjected(layer.down, activated, layer.postFeedForwardNorm, 'vector', one),
    ].map(forOneRow);
  }

  #lastRow(x: GPUBuffer, y: GPUBuffer, columns: number, storage: 'f32' | 'f16'): Promise<Dispatch> {
    const { state } = this.#buffers;
    return prepareDispatch(this.#gpu, lastRow, { columns, x: storage }, { state, x, y });
  }

  /** Activated gates of a pass. */
  #gateUpForMany({ gateUp }: LayerWeights): Promise<Dispatch>[] {
    const { state, passNormed: x, passActivated: y, gateUp: products } = this.#buffers;
    const activated =
      this.#inputs === 'f16'
        ? linearGated(this.#gpu, gateUp, this.config.hiddenAct, { state, x, y })
        : null;
    return activated ?? [...this.#matrix(gateUp, x, products), this.#activate(y, this.#inputs)];
  }

  #normForProduct(weight: GPUBuffer): Promise<Dispatch> {
    const { x, passNormed } = this.#buffers;
    return this.#norm(x, weight, passNormed, { y: this.#inputs });
  }

  /** Norm, projection, rotation and the write into the cache at once, where the model and the adapter allow it. */
  #fusedQkv(
    layer: LayerWeights,
    x: GPUBuffer,
    target: ProjectionTarget | null,
    far = false,
  ): { parts: number; dispatches: Promise<Dispatch>[] } | null {
    const [part, second] = layer.qkv.parts;
    if (!target || !part || second || layer.qNorm) return null;
    const { shape, buffers } = target;
    const use = {
      ...shape,
      format: part.matrix.format,
      columns: part.matrix.columns,
      normEpsilon: this.config.rmsNormEps,
      bias: part.bias !== null,
    };
    const { capabilities } = this.#gpu;
    const parts = shape.ragged && far ? qkvParts(use, capabilities) : 1;
    const inParts = { ...use, ...(parts > 1 ? { parts } : {}) };
    if (!canFuseQkv(inParts, capabilities)) return null;
    const bound = {
      ...buffers,
      x,
      weights: part.matrix.buffer,
      norm_weight: layer.attentionNorm,
      bias: part.bias,
    };
    return { parts, dispatches: [prepareDispatch(this.#gpu, qkvKernel, inParts, bound)] };
  }

  /** Rotates queries and keys of a pass and fills the cache. */
  #rotate({ qNorm, kNorm }: LayerWeights, { shape, buffers }: ProjectionTarget): Promise<Dispatch> {
    const { qkv } = this.#buffers;
    const use = {
      ...shape,
      ...(qNorm && kNorm ? { headNormEpsilon: this.config.rmsNormEps } : {}),
    };
    return prepareDispatch(this.#gpu, rope, use, {
      ...buffers,
      qkv,
      q_norm: qNorm,
      k_norm: kNorm,
    });
  }

  /** x += linear(input), or x += norm(linear(input)) where the architecture has a norm there. */
  #addProjected(
    linear: Linear,
    input: GPUBuffer,
    postNorm: GPUBuffer | null,
    form: 'vector' | 'matrix',
    { isOfHeads = false, x = this.#buffers.x, state }: OneRow & { isOfHeads?: boolean } = {},
  ): Promise<Dispatch>[] {
    const { projected } = this.#buffers;
    const heads = isOfHeads ? this.#skippableHeads() : {};
    const multiply = (y: GPUBuffer, residual: boolean) =>
      form === 'vector'
        ? linearVector(this.#gpu, linear, input, y, { residual, ...heads })
        : this.#matrix(linear, input, y, { residual, yStride: pad(linear.rows) });
    if (!postNorm) return multiply(x, true);
    return [
      ...multiply(projected, false),
      this.#norm(projected, postNorm, x, { residual: true }, state),
    ];
  }

  /** Heads whose columns the output projection need not read while they are off. */
  #skippableHeads(): Pick<VectorOptions, 'heads'> {
    const { gates } = this.#attention;
    const { headDim } = this.config;
    return gates && headDim % groupElements === 0 ? { heads: { gates, columns: headDim } } : {};
  }

  #normOf(weight: GPUBuffer): { weight: GPUBuffer; epsilon: number } {
    return { weight, epsilon: this.config.rmsNormEps };
  }

  /** The product for the tokens of a pass. */
  #matrix(
    linear: Linear,
    x: GPUBuffer,
    y: GPUBuffer,
    more: { residual?: boolean; yStride?: number } = {},
  ): Promise<Dispatch>[] {
    const { state } = this.#buffers;
    return linearMatrix(this.#gpu, linear, x, y, { state, inputs: this.#inputs, ...more });
  }

  #norm(
    x: GPUBuffer,
    weight: GPUBuffer,
    y: GPUBuffer,
    more: Pick<RmsNormUse, 'residual' | 'y'> = {},
    state: GPUBuffer = this.#buffers.state,
  ): Promise<Dispatch> {
    const { hiddenSize, rmsNormEps } = this.config;
    const use = { columns: hiddenSize, epsilon: rmsNormEps, ...more };
    return prepareDispatch(this.#gpu, rmsNorm, use, {
      state,
      x,
      norm_weight: weight,
      y,
    });
  }

  #activate(
    y: GPUBuffer,
    storage: 'f32' | 'f16',
    state: GPUBuffer = this.#buffers.state,
  ): Promise<Dispatch> {
    const { gateUp } = this.#buffers;
    const { hiddenAct, intermediateSize } = this.config;
    const use = {
      activation: hiddenAct,
      columns: intermediateSize,
      yStride: pad(intermediateSize),
      y: storage,
    };
    return prepareDispatch(this.#gpu, gatedActivation, use, { state, x: gateUp, y });
  }

  /** The head for the last row of `x`, of which `state` says how many there are. */
  #lmHead(x: GPUBuffer, state: GPUBuffer): Promise<Dispatch>[] {
    const { lmHead, finalNorm } = this.#weights;
    const { logits } = this.#buffers;
    const norm = this.#normOf(finalNorm);
    return linearVector(this.#gpu, lmHead, x, logits, { norm, lastRow: state });
  }

  #sample(use: { vocabulary: number; greedy: boolean }): Promise<Dispatch> {
    const { logits, state, seen, sampler } = this.#buffers;
    return prepareDispatch(this.#gpu, sample, use, { logits, state, seen, sampler });
  }

  /** Logits of every row: made on first use, since only evaluation needs them. */
  #prepareAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    this.#allLogits ??= this.#createAllLogits();
    return this.#allLogits;
  }

  async #createAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    const { vocabSize } = this.config;
    const { passNormed } = this.#buffers;
    const logits = this.#owned.storage('all logits', logitsRows * vocabSize * 4);
    const { lmHead, finalNorm } = this.#weights;
    const prepared = [this.#normForProduct(finalNorm), ...this.#matrix(lmHead, passNormed, logits)];
    return { tail: await Promise.all(prepared), logits };
  }
}

/** The same for one row, however many tokens the pass has. */
async function forOneRow(prepared: Promise<Dispatch>): Promise<Dispatch> {
  const dispatch = await prepared;
  return { ...dispatch, workgroups: () => dispatch.workgroups(1) };
}

/** Each buffer once: matrices that are multiplied together share one. */
function weightBytes({ embedding, lmHead, layers }: DecoderWeights): number {
  const linears = layers.flatMap(({ qkv, output, gateUp, down }) => [qkv, output, gateUp, down]);
  const parts = [embedding, lmHead, ...linears].flatMap((linear) => linear.parts);
  const buffers = new Set(parts.map(({ matrix }) => matrix.buffer));
  return [...buffers].reduce((sum, buffer) => sum + buffer.size, 0);
}

/** Bytes of a cache of whole keys and values. */
function cacheBytes(
  { numHiddenLayers, numKeyValueHeads, headDim }: TransformerConfig,
  { kvCache, contextLength }: DecoderOptions,
): number {
  return kvBytes(kvCache, 2 * numHiddenLayers * numKeyValueHeads * headDim * contextLength);
}

/** Elements of a row that kernels read in whole groups. */
function pad(columns: number): number {
  return Math.ceil(columns / groupElements) * groupElements;
}
