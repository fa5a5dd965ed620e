import { Attention, stateHeaderBytes } from '../attention/attention.ts';
import { BufferSet } from '../gpu/buffer-set.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { matrixUnsupported } from '../kernels/matrix-support.ts';
import { packSampler, type SamplerSettings, sampledRing } from '../kernels/sample.ts';
import { isLong } from '../kernels/selection-use.ts';
import { wholeGroups } from '../quant/format.ts';
import type { KvCacheFormat } from '../types.ts';
import type { TransformerConfig } from './config.ts';
import { allocateBuffers } from './decoder-buffers.ts';
import {
  type Body,
  type DecoderDispatches,
  type Dispatches,
  prepareDecoder,
} from './decoder-dispatches.ts';
import type { DecoderWeights } from './decoder-weights.ts';
import { type DecoderParts, normalize } from './layer.ts';
import { passLogits } from './pass-layer.ts';
import { cacheBytes, limitsOfPass, rowsOfPass, tokenBytes, weightBytes } from './pass-rows.ts';

export interface DecoderOptions {
  /** Tokens that the KV cache holds. */
  contextLength: number;
  kvCache: KvCacheFormat;
  /** See `AttentionSettings`. */
  splitFrom?: number;
}

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
  readonly #owned: BufferSet;
  readonly #parts: DecoderParts;
  #dispatches!: DecoderDispatches;
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
      decoder.#dispatches = await prepareDecoder(decoder.#parts, decoder.contextLength);
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
    this.contextLength = options.contextLength;
    const matrices = options.kvCache !== 'f32' && matrixUnsupported(gpu.capabilities) === null;
    const inputs = matrices ? 'f16' : 'f32';
    const bytes = tokenBytes(gpu, config, weights, inputs);
    const held = weightBytes(weights) + cacheBytes(config, options);
    const passRows = rowsOfPass(bytes, limitsOfPass(bytes, held, config, gpu.capabilities));
    this.passRows = passRows;
    const owned = new BufferSet(gpu);
    this.#owned = owned;
    try {
      const buffers = allocateBuffers(owned, config, bytes, passRows);
      gpu.write(buffers.oneRow, 0, Uint32Array.of(0, 1));
      const settings = { ...options, passRows, queries: buffers.passActivated };
      const attention = new Attention(gpu, config, settings, buffers.state, owned);
      this.#parts = { gpu, config, weights, attention, buffers, inputs };
    } catch (thrown) {
      owned.dispose();
      throw thrown;
    }
  }

  /** Bytes that hold the keys and values of the whole context. */
  get kvCacheBytes(): number {
    return this.#parts.attention.caches.bytes;
  }

  /** Fills RoPE's tables; `factors` are the vectors of the file that divide the frequencies. Before the first pass. */
  writeRopeTables(factors: ReadonlyMap<string, Float32Array>): void {
    this.#parts.attention.rope.write(factors);
  }

  /** Starts a generation: the settings of the sampler and the tokens that the repetition penalty knows. */
  beginSampling(settings: SamplerSettings, seen: Iterable<number>): void {
    const bits = new Uint32Array(this.#parts.buffers.seen.size / 4);
    for (const token of seen) bits[token >> 5] = (bits[token >> 5] ?? 0) | (1 << (token & 31));
    this.#gpu.write(this.#parts.buffers.seen, 0, bits);
    this.#gpu.write(this.#parts.buffers.sampler, 0, packSampler(settings));
  }

  /** Computes tokens at `position` and puts them into the KV cache. At most `passRows` of them. */
  pass(tokens: readonly number[], position: number): void {
    const body = this.#dispatches.bodies[this.#beginPass(tokens, position)];
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
    const { weights, buffers } = this.#parts;
    const { x, projected } = buffers;
    const tail = [await normalize(this.#parts, x, weights.finalNorm, projected)];
    const width = wholeGroups(hiddenSize);
    const wide = await this.#readPasses(tokens, 0, this.passRows, tail, projected, width);
    if (width === hiddenSize) return wide;
    const rows = Array.from(tokens, (_, i) => wide.subarray(i * width, i * width + hiddenSize));
    return Float32Array.from(rows.flatMap((row) => [...row]));
  }

  /** How many layers attend to each token of the context when the next one is computed. */
  async attended(): Promise<Uint32Array<ArrayBuffer>> {
    const [position = 0, rows = 0, , continues = 0] = await this.#gpu.readBuffers([
      this.#parts.buffers.state,
    ]);
    // Behind a sampled token the position is the next one's already.
    return this.#parts.attention.caches.attended(
      Math.min(this.contextLength, position + (continues ? 0 : rows)),
    );
  }

  dispose(): void {
    this.#owned.dispose();
  }

  #writeState(tokens: readonly number[], position: number): void {
    const contents = Uint32Array.of(position, tokens.length, 0, 0, ...tokens);
    this.#gpu.write(this.#parts.buffers.state, 0, contents);
    this.#readUntil = position + tokens.length;
    this.#asksLaterFrom = this.#readUntil + ownSelections;
    if (tokens.length > 1) {
      this.#gpu.write(this.#parts.buffers.oneRow, 0, Uint32Array.of(this.#readUntil - 1, 1));
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
    return this.#parts.attention.isFar(position) ? 'oneFar' : 'one';
  }

  #submitSampled(bodies: readonly Body[], rows: number, greedy: boolean, staging: GPUBuffer): void {
    const sampler = greedy ? 'greedy' : 'random';
    const whole = bodies.map((body) => this.#dispatches.sampled[body][sampler]);
    const lists = rows > 1 ? whole.map((list) => this.#submitAhead(list, rows)) : whole;
    this.#gpu.submitAll(lists, rows, (encoder) =>
      encoder.copyBufferToBuffer(
        this.#parts.buffers.state,
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
        this.#gpu.submit([...this.#dispatches.whole, ...tail], part.length, (encoder) =>
          encoder.copyBufferToBuffer(source, 0, staging, 0, bytes),
        );
        out.set(new Float32Array(await this.#gpu.readStaging(staging, bytes)), first * width);
      }
    } finally {
      this.#gpu.destroyBuffer(staging);
    }
    return out;
  }

  /** Logits of every row: made on first use, since only evaluation needs them. */
  #prepareAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    this.#allLogits ??= this.#createAllLogits();
    return this.#allLogits;
  }

  async #createAllLogits(): Promise<{ tail: Dispatches; logits: GPUBuffer }> {
    const logits = this.#owned.storage('all logits', logitsRows * this.config.vocabSize * 4);
    return { tail: await Promise.all(passLogits(this.#parts, logits)), logits };
  }
}
