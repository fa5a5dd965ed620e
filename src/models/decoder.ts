import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { type Kernel, prepareDispatch } from '../gpu/kernel.ts';
import { type AttentionUse, attention } from '../kernels/attention.ts';
import { attentionCombine } from '../kernels/attention-combine.ts';
import {
  attentionSplit,
  attentionSplits,
  canSplitAttention,
  splitFrom,
} from '../kernels/attention-split.ts';
import { embedding } from '../kernels/embedding.ts';
import { gatedActivation } from '../kernels/gated-activation.ts';
import { headGates } from '../kernels/head-gates.ts';
import { matmul, matrixUnsupported } from '../kernels/matmul.ts';
import { matvec } from '../kernels/matvec.ts';
import { canFuseQkv, qkv as qkvKernel } from '../kernels/qkv.ts';
import { type RmsNormUse, rmsNorm } from '../kernels/rms-norm.ts';
import { rope } from '../kernels/rope.ts';
import { ropeTable } from '../kernels/rope-table.ts';
import {
  packSampler,
  type SamplerSettings,
  sample,
  sampledRing,
  samplerBytes,
} from '../kernels/sample.ts';
import { groupElements } from '../quant/format.ts';
import type { KvCacheFormat } from '../types.ts';
import type { RopeConfig, TransformerConfig } from './config.ts';
import type { DecoderWeights, LayerWeights, Linear } from './decoder-weights.ts';

export interface DecoderOptions {
  /** Tokens that the KV cache holds. */
  contextLength: number;
  kvCache: KvCacheFormat;
  /**
   * From this position on, attention of one token is cut along the context: two dispatches instead of one, but enough
   * workgroups to fill the GPU. Default: by the adapter.
   */
  splitFrom?: number;
}

/** Tokens of one pass at most. Small on software adapters, so that an abort is heard in time. */
const passRows = { hardware: 1024, software: 32 } as const;
/** The widest activation of a pass takes at most this much, so that large models do not pay for long passes. */
const maxActivationBytes = 64 * 2 ** 20;
/** Rows of logits that are made and read at once. */
const logitsRows = 32;
/** Bytes that the last sampled tokens take. */
export const samplingBytes: number = sampledRing * 4;
/** Bytes of `struct State` before its tokens. */
const stateHeaderBytes = 16;

type Dispatches = readonly Dispatch[];

/** The layers for one token, for one token far into the context, and for many tokens. */
type Body = 'one' | 'oneFar' | 'many';

type Buffers = Record<
  | 'state'
  | 'x'
  | 'qkv'
  | 'queries'
  | 'gates'
  | 'attended'
  | 'splitOutputs'
  | 'splitScales'
  | 'gateUp'
  | 'activated'
  | 'passNormed'
  | 'passAttended'
  | 'passActivated'
  | 'projected'
  | 'logits'
  | 'seen'
  | 'sampler'
  | 'ropeFull'
  | 'ropeSliding',
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
  readonly #kvCache: KvCacheFormat;
  readonly #splitFrom: number;
  /** How inputs of matrix products are stored: in halves where the subgroup-matrix kernels read them. */
  readonly #inputs: 'f32' | 'f16';
  readonly #buffers: Buffers;
  readonly #caches: { keys: GPUBuffer; values: GPUBuffer }[] = [];
  readonly #owned: GPUBuffer[] = [];
  #bodies!: Record<Body, Dispatches>;
  /** The passes that end in a sampled token, by body and sampler: put together once, so that a step allocates nothing. */
  #sampled!: Record<Body, Record<'greedy' | 'random', Dispatches>>;
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
    this.#kvCache = options.kvCache;
    const kind = gpu.capabilities.software ? 'software' : 'hardware';
    this.passRows = Math.min(passRows[kind], rowsWithin(maxActivationBytes, config));
    const matrices = options.kvCache === 'f16' && matrixUnsupported(gpu.capabilities) === null;
    this.#inputs = matrices ? 'f16' : 'f32';
    this.#splitFrom = options.splitFrom ?? splitFrom(gpu.capabilities);
    try {
      this.#buffers = this.#allocate();
    } catch (thrown) {
      this.dispose();
      throw thrown;
    }
  }

  /** Bytes that hold the keys and values of the whole context. */
  get kvCacheBytes(): number {
    return this.#caches.reduce((sum, { keys, values }) => sum + keys.size + values.size, 0);
  }

  /** Fills RoPE's tables; `factors` are the vectors of the file that divide the frequencies. Before the first pass. */
  writeRopeTables(factors: ReadonlyMap<string, Float32Array>): void {
    const { rope } = this.config;
    const { ropeFull, ropeSliding } = this.#buffers;
    const write = (buffer: GPUBuffer, config: RopeConfig) => {
      const given = config.factorsTensor === null ? undefined : factors.get(config.factorsTensor);
      this.#gpu.write(buffer, 0, ropeTable(config, this.contextLength, given));
    };
    write(ropeFull, rope.full);
    if (ropeSliding !== ropeFull) write(ropeSliding, rope.sliding);
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
    this.#writeState(tokens, position);
    this.#gpu.submit(this.#bodies[this.#bodyFor(tokens.length, position)], tokens.length);
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
    this.#writeState(tokens, position);
    this.#submitSampled([this.#bodyFor(tokens.length, position)], tokens.length, greedy, staging);
  }

  /**
   * `count` decode steps from what the last one left on the GPU: one encoder, one pass, one submit, nothing written. `position`
   * is where the first of their inputs stands. At most as many as the ring of sampled tokens holds.
   */
  steps(count: number, position: number, greedy: boolean, staging: GPUBuffer): void {
    const bodies = Array.from({ length: count }, (_, i) => this.#bodyFor(1, position + i));
    this.#submitSampled(bodies, 1, greedy, staging);
  }

  /** Logits [tokens, vocabSize] of a text from position 0. Overwrites the KV cache. */
  async logits(tokens: readonly number[]): Promise<Float32Array> {
    const { vocabSize } = this.config;
    const { tail, logits } = await this.#prepareAllLogits();
    const rows = Math.min(this.passRows, logitsRows);
    return this.#readPasses(tokens, rows, tail, logits, vocabSize);
  }

  /** Final hidden states [tokens, hiddenSize] of a text from position 0, normalized. Overwrites the KV cache. */
  async hiddenStates(tokens: readonly number[]): Promise<Float32Array> {
    const { hiddenSize } = this.config;
    const { x, projected } = this.#buffers;
    const tail = [await this.#norm(x, this.#weights.finalNorm, projected)];
    const wide = await this.#readPasses(tokens, this.passRows, tail, projected, pad(hiddenSize));
    if (pad(hiddenSize) === hiddenSize) return wide;
    const rows = Array.from(tokens, (_, i) =>
      wide.subarray(i * pad(hiddenSize), i * pad(hiddenSize) + hiddenSize),
    );
    return Float32Array.from(rows.flatMap((row) => [...row]));
  }

  dispose(): void {
    for (const buffer of this.#owned.splice(0)) this.#gpu.destroyBuffer(buffer);
  }

  #writeState(tokens: readonly number[], position: number): void {
    const contents = Uint32Array.of(position, tokens.length, 0, 0, ...tokens);
    this.#gpu.write(this.#buffers.state, 0, contents);
  }

  #bodyFor(rows: number, position: number): Body {
    if (rows > 1) return 'many';
    return position >= this.#splitFrom ? 'oneFar' : 'one';
  }

  #submitSampled(bodies: readonly Body[], rows: number, greedy: boolean, staging: GPUBuffer): void {
    const sampler = greedy ? 'greedy' : 'random';
    const lists = bodies.map((body) => this.#sampled[body][sampler]);
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

  async #readPasses(
    tokens: readonly number[],
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
        this.#writeState(part, first);
        const bytes = part.length * width * 4;
        this.#gpu.submit([...this.#bodies.many, ...tail], part.length, (encoder) =>
          encoder.copyBufferToBuffer(source, 0, staging, 0, bytes),
        );
        out.set(new Float32Array(await this.#gpu.readStaging(staging, bytes)), first * width);
      }
    } finally {
      this.#gpu.destroyBuffer(staging);
    }
    return out;
  }

  #allocate(): Buffers {
    const { config, passRows: rows } = this;
    const heads = config.numAttentionHeads;
    const kvHeads = config.numKeyValueHeads;
    const { headDim } = config;
    const floats = (label: string, count: number) => this.#storage(label, count * 4);
    const inputs = (label: string, count: number) =>
      this.#storage(label, count * (this.#inputs === 'f16' ? 2 : 4));
    const kvBytes = this.#kvCache === 'f16' ? 2 : 4;
    for (let layer = 0; layer < config.numHiddenLayers; layer += 1) {
      const bytes = kvHeads * this.contextLength * headDim * kvBytes;
      this.#caches.push({
        keys: this.#storage(`keys ${layer}`, bytes),
        values: this.#storage(`values ${layer}`, bytes),
      });
    }
    const { full, sliding } = config.rope;
    const ropeFull = this.#ropeBuffer(full);
    // What a product makes is used up before the next one begins, and so is a product's input: one buffer for each of both.
    const products = floats(
      'products',
      rows *
        Math.max(
          (heads + 2 * kvHeads) * headDim,
          2 * config.intermediateSize,
          pad(config.hiddenSize),
        ),
    );
    const passInputs = inputs(
      'inputs of products',
      rows * Math.max(pad(config.hiddenSize), pad(heads * headDim)),
    );
    return {
      state: this.#storage(
        'state',
        stateHeaderBytes + Math.max(rows, 1 + sampledRing) * 4,
        GPUBufferUsage.COPY_SRC,
      ),
      x: floats('residual', rows * pad(config.hiddenSize)),
      qkv: products,
      gateUp: products,
      projected: products,
      queries: floats('queries', rows * heads * headDim),
      gates: floats('gates of heads', config.moh ? rows * heads : 0),
      attended: floats('attended', heads * headDim),
      splitOutputs: floats('parts of attention', heads * attentionSplits * headDim),
      splitScales: floats('scales of parts', heads * attentionSplits * 2),
      activated: floats('activated', pad(config.intermediateSize)),
      passNormed: passInputs,
      passAttended: passInputs,
      passActivated: inputs('activated of a pass', rows * pad(config.intermediateSize)),
      logits: floats('logits', config.vocabSize),
      seen: this.#storage('seen tokens', Math.ceil(config.vocabSize / 32) * 4),
      sampler: this.#own('sampler', samplerBytes, GPUBufferUsage.UNIFORM),
      ropeFull,
      ropeSliding: sliding === full ? ropeFull : this.#ropeBuffer(sliding),
    };
  }

  #ropeBuffer(config: RopeConfig): GPUBuffer {
    return this.#storage('rope', ropeTable(config, this.contextLength).byteLength);
  }

  #storage(label: string, bytes: number, usage = 0): GPUBuffer {
    return this.#own(label, bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | usage);
  }

  #own(label: string, bytes: number, usage: number): GPUBuffer {
    const buffer = this.#gpu.createBuffer(label, bytes, usage | GPUBufferUsage.COPY_DST);
    this.#owned.push(buffer);
    return buffer;
  }

  async #compile(): Promise<void> {
    const { layers } = this.#weights;
    const each = (build: (layer: LayerWeights, index: number) => Promise<Dispatch>[]) =>
      layers.flatMap((layer, index) => build(layer, index));
    const vocabulary = this.config.vocabSize;
    const [one, oneFar, many, head, greedy, random] = await Promise.all([
      Promise.all([...this.#embed(), ...each((layer, i) => this.#layerForOne(layer, i, false))]),
      Promise.all([...this.#embed(), ...each((layer, i) => this.#layerForOne(layer, i, true))]),
      Promise.all([...this.#embed(), ...each((layer, i) => this.#layerForMany(layer, i))]),
      Promise.all(this.#lmHead()),
      this.#sample({ vocabulary, greedy: true }),
      this.#sample({ vocabulary, greedy: false }),
    ]);
    const withSampler = (body: Dispatches) => ({
      greedy: [...body, ...head, greedy],
      random: [...body, ...head, random],
    });
    this.#bodies = { one, oneFar, many };
    this.#sampled = {
      one: withSampler(one),
      oneFar: withSampler(oneFar),
      many: withSampler(many),
    };
  }

  #prepare<Use>(
    kernel: Kernel<Use>,
    use: Use,
    buffers: Readonly<Record<string, GPUBuffer | null>>,
  ): Promise<Dispatch> {
    const given = Object.entries(buffers).filter(
      (entry): entry is [string, GPUBuffer] => !!entry[1],
    );
    return prepareDispatch(this.#gpu, kernel, use, Object.fromEntries(given));
  }

  /** One lookup for each part of the matrix: a part writes the rows of its own tokens. */
  #embed(): Promise<Dispatch>[] {
    const { parts, rows, columns } = this.#weights.embedding;
    const { state, x } = this.#buffers;
    return parts.map(({ matrix, yOffset }) =>
      this.#prepare(
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

  #layerForOne(layer: LayerWeights, index: number, far: boolean): Promise<Dispatch>[] {
    const { x, qkv, attended, activated } = this.#buffers;
    const fused = this.#fusedQkv(layer, index);
    return [
      ...(fused ?? [
        ...this.#vector(layer.qkv, x, qkv, { norm: layer.attentionNorm }),
        this.#rotate(layer, index),
      ]),
      ...this.#route(layer),
      ...this.#attend(index, far),
      ...this.#addProjected(layer.output, attended, layer.postAttentionNorm, 'vector', {
        gatedHeads: true,
      }),
      ...this.#gateUpForOne(layer),
      ...this.#addProjected(layer.down, activated, layer.postFeedForwardNorm, 'vector'),
    ];
  }

  #gateUpForOne(layer: LayerWeights): Promise<Dispatch>[] {
    const { x, gateUp, activated } = this.#buffers;
    const [both, second] = layer.gateUp.parts;
    const norm = layer.feedForwardNorm;
    if (!both || second) {
      // Gate and up in different formats: two products, then the activation.
      return [...this.#vector(layer.gateUp, x, gateUp, { norm }), this.#activate(activated, 'f32')];
    }
    const use = {
      format: both.matrix.format,
      rows: both.matrix.rows / 2,
      columns: both.matrix.columns,
      normEpsilon: this.config.rmsNormEps,
      gated: this.config.hiddenAct,
    };
    const buffers = { weights: both.matrix.buffer, x, y: activated, norm_weight: norm };
    return [this.#prepare(matvec, use, buffers)];
  }

  #layerForMany(layer: LayerWeights, index: number): Promise<Dispatch>[] {
    const { qkv, passNormed, passAttended, gateUp, passActivated } = this.#buffers;
    return [
      this.#normForProduct(layer.attentionNorm),
      ...this.#matrix(layer.qkv, passNormed, qkv),
      this.#rotate(layer, index),
      ...this.#route(layer),
      this.#attendMany(index),
      ...this.#addProjected(layer.output, passAttended, layer.postAttentionNorm, 'matrix'),
      this.#normForProduct(layer.feedForwardNorm),
      ...this.#matrix(layer.gateUp, passNormed, gateUp),
      this.#activate(passActivated, this.#inputs),
      ...this.#addProjected(layer.down, passActivated, layer.postFeedForwardNorm, 'matrix'),
    ];
  }

  #normForProduct(weight: GPUBuffer): Promise<Dispatch> {
    const { x, passNormed } = this.#buffers;
    return this.#norm(x, weight, passNormed, { y: this.#inputs });
  }

  /** What the kernels around the cache of a layer have in common. */
  #cacheOf(index: number): {
    shape: Pick<AttentionUse, 'heads' | 'kvHeads' | 'headDim' | 'contextLength' | 'kv'>;
    buffers: { k_cache: GPUBuffer; v_cache: GPUBuffer };
    isSliding: boolean;
    angles: RopeConfig;
  } {
    const { config } = this;
    const caches = this.#caches[index];
    if (!caches) throw new Error(`layer ${index} has no cache`);
    const isSliding = config.slidingLayers[index] === true && config.slidingWindow !== null;
    return {
      shape: {
        heads: config.numAttentionHeads,
        kvHeads: config.numKeyValueHeads,
        headDim: config.headDim,
        contextLength: this.contextLength,
        kv: this.#kvCache,
      },
      buffers: { k_cache: caches.keys, v_cache: caches.values },
      isSliding,
      angles: isSliding ? config.rope.sliding : config.rope.full,
    };
  }

  /** Norm, projection, rotation and the write into the cache at once, where the model and the adapter allow it. */
  #fusedQkv(layer: LayerWeights, index: number): Promise<Dispatch>[] | null {
    const { shape, buffers, isSliding, angles } = this.#cacheOf(index);
    const { state, x, queries, ropeFull, ropeSliding } = this.#buffers;
    const [part, second] = layer.qkv.parts;
    if (!part || second || layer.qNorm) return null;
    const use = {
      ...shape,
      format: part.matrix.format,
      columns: part.matrix.columns,
      ropeDimensions: angles.dimensions,
      interleaved: angles.interleaved,
      normEpsilon: this.config.rmsNormEps,
      bias: part.bias !== null,
    };
    if (!canFuseQkv(use)) return null;
    return [
      this.#prepare(qkvKernel, use, {
        state,
        x,
        queries,
        ...buffers,
        weights: part.matrix.buffer,
        norm_weight: layer.attentionNorm,
        rope: isSliding ? ropeSliding : ropeFull,
        bias: part.bias,
      }),
    ];
  }

  /** Rotates queries and keys of a pass and fills the cache. */
  #rotate(layer: LayerWeights, index: number): Promise<Dispatch> {
    const { shape, buffers, isSliding, angles } = this.#cacheOf(index);
    const { state, qkv, queries, ropeFull, ropeSliding } = this.#buffers;
    return this.#prepare(
      rope,
      {
        ...shape,
        ropeDimensions: angles.dimensions,
        interleaved: angles.interleaved,
        ...(layer.qNorm && layer.kNorm ? { headNormEpsilon: this.config.rmsNormEps } : {}),
      },
      {
        state,
        qkv,
        queries,
        ...buffers,
        rope: isSliding ? ropeSliding : ropeFull,
        q_norm: layer.qNorm,
        k_norm: layer.kNorm,
      },
    );
  }

  /** The gates of Mixture-of-Head attention. */
  #route({ router, attentionNorm }: LayerWeights): Promise<Dispatch>[] {
    const { moh, numAttentionHeads, hiddenSize, rmsNormEps } = this.config;
    if (!moh || !router) return [];
    const { state, x, gates } = this.#buffers;
    const use = {
      format: router.format,
      columns: hiddenSize,
      sharedHeads: moh.sharedHeads,
      routedHeads: numAttentionHeads - moh.sharedHeads,
      active: moh.activeHeads - moh.sharedHeads,
      epsilon: rmsNormEps,
    };
    const buffers = { state, weights: router.buffer, x, norm_weight: attentionNorm, gates };
    return [this.#prepare(headGates, use, buffers)];
  }

  /** What attention needs where its heads are gated. */
  #gated(): { use: { gated?: boolean }; buffers: { gates: GPUBuffer | null } } {
    return this.config.moh
      ? { use: { gated: true }, buffers: { gates: this.#buffers.gates } }
      : { use: {}, buffers: { gates: null } };
  }

  #attentionUse(index: number): AttentionUse {
    const { shape, isSliding } = this.#cacheOf(index);
    return {
      ...shape,
      scale: this.config.attentionScale,
      window: isSliding ? (this.config.slidingWindow ?? 0) : 0,
      ...this.#gated().use,
    };
  }

  #attendMany(index: number): Promise<Dispatch> {
    const { state, queries, passAttended } = this.#buffers;
    const use = { ...this.#attentionUse(index), many: true, output: this.#inputs };
    const { buffers } = this.#cacheOf(index);
    const { buffers: gates } = this.#gated();
    return this.#prepare(attention, use, {
      state,
      queries,
      ...buffers,
      ...gates,
      out: passAttended,
    });
  }

  /** Attention of one token. */
  #attend(index: number, far: boolean): Promise<Dispatch>[] {
    const use = this.#attentionUse(index);
    const { buffers: cached } = this.#cacheOf(index);
    const { state, queries, attended, splitOutputs, splitScales } = this.#buffers;
    const { buffers: gates } = this.#gated();
    if (!far || !canSplitAttention(use)) {
      const buffers = { state, queries, ...cached, ...gates, out: attended };
      return [this.#prepare(attention, use, buffers)];
    }
    const parts = { split_outputs: splitOutputs, split_scales: splitScales };
    return [
      this.#prepare(attentionSplit, use, { state, queries, ...cached, ...parts }),
      this.#prepare(attentionCombine, use, { ...parts, ...gates, out: attended }),
    ];
  }

  /** x += linear(input), or x += norm(linear(input)) where the architecture has a norm there. */
  #addProjected(
    linear: Linear,
    input: GPUBuffer,
    postNorm: GPUBuffer | null,
    form: 'vector' | 'matrix',
    { gatedHeads = false } = {},
  ): Promise<Dispatch>[] {
    const { x, projected } = this.#buffers;
    const multiply = (y: GPUBuffer, residual: boolean) =>
      form === 'vector'
        ? this.#vector(linear, input, y, { residual, gatedHeads })
        : this.#matrix(linear, input, y, { residual, yStride: pad(linear.rows) });
    if (!postNorm) return multiply(x, true);
    return [...multiply(projected, false), this.#norm(projected, postNorm, x, { residual: true })];
  }

  #vector(
    linear: Linear,
    x: GPUBuffer,
    y: GPUBuffer,
    {
      norm,
      residual = false,
      gatedHeads = false,
    }: { norm?: GPUBuffer; residual?: boolean; gatedHeads?: boolean },
  ): Promise<Dispatch>[] {
    const { headDim, rmsNormEps } = this.config;
    const gates = gatedHeads && headDim % groupElements === 0 ? this.#gated().buffers.gates : null;
    return linear.parts.map(({ matrix, yOffset, bias }) =>
      this.#prepare(
        matvec,
        {
          format: matrix.format,
          rows: matrix.rows,
          columns: matrix.columns,
          yOffset,
          residual,
          bias: bias !== null,
          ...(norm ? { normEpsilon: rmsNormEps } : {}),
          ...(gates ? { headColumns: headDim } : {}),
        },
        { weights: matrix.buffer, x, y, bias, norm_weight: norm ?? null, gates },
      ),
    );
  }

  #matrix(
    linear: Linear,
    x: GPUBuffer,
    y: GPUBuffer,
    { residual = false, yStride = linear.rows } = {},
  ): Promise<Dispatch>[] {
    return linear.parts.map(({ matrix, yOffset, bias }) =>
      this.#prepare(
        matmul,
        {
          format: matrix.format,
          rows: matrix.rows,
          columns: matrix.columns,
          x: this.#inputs,
          yStride,
          yOffset,
          residual,
          bias: bias !== null,
        },
        { state: this.#buffers.state, weights: matrix.buffer, x, y, bias },
      ),
    );
  }

  #norm(
    x: GPUBuffer,
    weight: GPUBuffer,
    y: GPUBuffer,
    more: Pick<RmsNormUse, 'residual' | 'y'> = {},
  ): Promise<Dispatch> {
    const { hiddenSize, rmsNormEps } = this.config;
    const use = { columns: hiddenSize, epsilon: rmsNormEps, ...more };
    return this.#prepare(rmsNorm, use, { state: this.#buffers.state, x, norm_weight: weight, y });
  }

  #activate(y: GPUBuffer, storage: 'f32' | 'f16'): Promise<Dispatch> {
    const { state, gateUp } = this.#buffers;
    const { hiddenAct, intermediateSize } = this.config;
    const use = {
      activation: hiddenAct,
      columns: intermediateSize,
      yStride: pad(intermediateSize),
      y: storage,
    };
    return this.#prepare(gatedActivation, use, { state, x: gateUp, y });
  }

  #lmHead(): Promise<Dispatch>[] {
    const { lmHead, finalNorm } = this.#weights;
    const { state, x, logits } = this.#buffers;
    return lmHead.parts.map(({ matrix, yOffset }) =>
      this.#prepare(
        matvec,
        {
          format: matrix.format,
          rows: matrix.rows,
          columns: matrix.columns,
          yOffset,
          normEpsilon: this.config.rmsNormEps,
          lastRow: true,
        },
        { weights: matrix.buffer, x, y: logits, norm_weight: finalNorm, state },
      ),
    );
  }

  #sample(use: { vocabulary: number; greedy: boolean }): Promise<Dispatch> {
    const { logits, state, seen, sampler } = this.#buffers;
    return this.#prepare(sample, use, { logits, state, seen, sampler });
  }

  /** Logits of every row: made on first use, since only evaluation needs them. */
  #prepareAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    this.#allLogits ??= this.#createAllLogits();
    return this.#allLogits;
  }

  async #createAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    const { vocabSize } = this.config;
    const { passNormed } = this.#buffers;
    const logits = this.#storage('all logits', logitsRows * vocabSize * 4);
    const { lmHead, finalNorm } = this.#weights;
    const prepared = [this.#normForProduct(finalNorm), ...this.#matrix(lmHead, passNormed, logits)];
    return { tail: await Promise.all(prepared), logits };
  }
}

/** Tokens whose gates and ups fit into so many bytes, a multiple of 32. */
function rowsWithin(bytes: number, { intermediateSize }: TransformerConfig): number {
  return Math.max(32, Math.floor(bytes / (intermediateSize * 2 * 4) / 32) * 32);
}

/** Elements of a row that kernels read in whole groups. */
function pad(columns: number): number {
  return Math.ceil(columns / groupElements) * groupElements;
}
