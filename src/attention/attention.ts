import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { findVariant, prepareDispatch } from '../gpu/kernel.ts';
import { type AttentionUse, attention } from '../kernels/attention.ts';
import { attentionCombine } from '../kernels/attention-combine.ts';
import {
  attentionSplit,
  attentionSplits,
  canSplitAttention,
  splitFrom,
} from '../kernels/attention-split.ts';
import { headGates } from '../kernels/head-gates.ts';
import { headRows } from '../kernels/head-rows.ts';
import { isPacked, kvBytes, type WholeKv } from '../kernels/kv-format.ts';
import type { GpuMatrix } from '../kernels/linear.ts';
import { queryNormGates } from '../kernels/query-norm-gates.ts';
import { type RopeConfig, ropeTable } from '../kernels/rope-table.ts';
import { capacityOf, isLong } from '../kernels/selection-use.ts';
import type { QuantFormat } from '../quant/format.ts';
import type { KvCacheFormat } from '../types.ts';
import type { MatryoshkaConfig } from './matryoshka.ts';
import { type MohConfig, routedShape } from './moh.ts';
import { type LayerBases, type LayerCaches, StagedCache } from './staged-cache.ts';
import { type SelectionInputs, TokenSelect, type TokenSelectConfig } from './token-select.ts';

/** What attention needs to know about a model: part of its `TransformerConfig`. */
export interface AttentionConfig {
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  attentionScale: number;
  rmsNormEps: number;
  rope: { full: RopeConfig; sliding: RopeConfig };
  slidingWindow: number | null;
  slidingLayers: readonly boolean[];
  moh: MohConfig | null;
  /** Null: a token attends to the whole context. */
  tokenSelect: TokenSelectConfig | null;
  /** Null: keys and values are cached whole. */
  matryoshka: MatryoshkaConfig | null;
}

export interface AttentionSettings {
  /** Tokens that the KV cache holds. */
  contextLength: number;
  kvCache: KvCacheFormat;
  /** Tokens of one pass at most. */
  passRows: number;
  /** Room for the queries of a pass, [tokens, heads, headDim] in single precision: nobody else's until a layer's attention is over. */
  queries: GPUBuffer;
  /**
   * From this position on, attention of one token is cut along the context: two dispatches instead of one, but enough
   * workgroups to fill the GPU. Default: by the adapter.
   */
  splitFrom?: number;
}

/** Where a layer's projection puts queries, keys and values, and how it turns them: what `qkv` and `rope` have in common. */
export interface ProjectionTarget {
  shape: Pick<AttentionUse, 'heads' | 'kvHeads' | 'headDim' | 'contextLength'> & {
    kv: WholeKv;
    ropeDimensions: number;
    interleaved: boolean;
    staged?: boolean;
    ragged?: boolean;
  };
  buffers: Record<'state' | 'queries' | 'k_cache' | 'v_cache' | 'rope', GPUBuffer | BufferRange> &
    Partial<Record<'basis' | 'head_widths', BufferRange>>;
}

/** What chooses the heads of a layer; `router` is null where none is learned. */
interface Routed {
  router: GpuMatrix | null;
  attentionNorm: GPUBuffer;
  x: GPUBuffer;
}

/** How one token attends. */
export interface OneToken {
  /** Cut along the context. */
  far: boolean;
  /** Where tokens are selected: those that its own query asks for, not the step's before it. */
  own?: boolean;
  /** The projection has left it in a narrow cache, and coefficients of its queries: see `narrowTarget`. */
  kept?: boolean;
  /** A state of its own, where it is the last token of a pass: see `takesLastAlone`. */
  state?: GPUBuffer;
}

/** Where attention of a layer goes, and how. */
interface Wanted {
  tokens: 'one' | 'own' | 'many';
  out: GPUBuffer;
  output: 'f32' | 'f16';
  bases: LayerBases | null;
  /** As of `OneToken`. */
  kept: boolean;
  state?: GPUBuffer;
}

/** What the attention kernels of a layer read and write. */
interface Plan {
  use: AttentionUse;
  buffers: Readonly<Record<string, GPUBuffer | BufferRange | null>>;
  /** What has to run before them. */
  before: Dispatches;
}

type Dispatches = Promise<Dispatch>[];

/** Of `struct State` before its tokens. */
export const stateHeaderBytes = 16;

/**
 * The attention of all layers of a decoder, from projected queries, keys and values to the outputs of the heads: caches, the
 * rotation's tables, routing, and the choice of kernels. Everything is allocated in the constructor; `one` and `many` give the
 * dispatches of a layer.
 */
export class Attention {
  /** The gates of a token's heads, [tokens, heads]; null where every head is on. */
  readonly gates: GPUBuffer | null;
  readonly #gpu: Gpu;
  readonly #config: AttentionConfig;
  readonly #settings: AttentionSettings;
  readonly #splitFrom: number;
  readonly #state: GPUBuffer;
  readonly #queries: GPUBuffer | BufferRange;
  /** The order in which heads that are gated take the tokens of a pass. */
  readonly #headRows: GPUBuffer | null;
  readonly #splitOutputs: GPUBuffer;
  readonly #splitScales: GPUBuffer;
  readonly #rope: Record<'full' | 'sliding', GPUBuffer>;
  readonly #tokenSelect: TokenSelect | null;
  /** Where caches are narrow or packed. */
  readonly #stagedCache: StagedCache | null;
  readonly #caches: readonly LayerCaches[];

  /** `state` is what kernels know about a pass (lib/state); `buffers` own what is allocated here. */
  constructor(
    gpu: Gpu,
    config: AttentionConfig,
    settings: AttentionSettings,
    state: GPUBuffer,
    buffers: BufferSet,
  ) {
    this.#gpu = gpu;
    this.#config = config;
    this.#settings = settings;
    this.#state = state;
    this.#splitFrom = settings.splitFrom ?? splitFrom(gpu.capabilities);
    const { numAttentionHeads: heads, headDim } = config;
    const { numKeyValueHeads: kvHeads } = config;
    const parts = heads * attentionSplits(kvHeads);
    const floats = (label: string, count: number) => buffers.storage(label, count * 4);
    const { kvCache: kv } = settings;
    this.#stagedCache =
      config.matryoshka || isPacked(kv)
        ? new StagedCache(
            gpu,
            { ...this.#shape(), stagedRows: settings.passRows },
            config.matryoshka?.widths ?? null,
            // Layers that select attend to their working sets.
            config.tokenSelect ? null : this.#use('full'),
            buffers,
          )
        : null;
    this.#queries = this.#stagedCache?.target.queries ?? settings.queries;
    this.gates = config.moh ? floats('gates of heads', settings.passRows * heads) : null;
    this.#headRows = config.moh ? floats('tokens by head', heads * (settings.passRows + 1)) : null;
    this.#splitOutputs = floats('parts of attention', parts * headDim);
    this.#splitScales = floats('scales of parts', parts * 2);
    const { full, sliding } = config.rope;
    const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
    this.#tokenSelect = config.tokenSelect
      ? new TokenSelect(
          gpu,
          config.tokenSelect,
          { ...this.#rotatedShape('full'), kv },
          layers.filter((layer) => this.#kindOf(layer) === 'full'),
          config.matryoshka?.widths ?? null,
          buffers,
        )
      : null;
    const bytes = kvBytes(kv, config.numKeyValueHeads * headDim * settings.contextLength);
    this.#caches = layers.map(
      (layer) =>
        this.#selectionOf(layer)?.caches(layer) ??
        this.#stagedCache?.allocate(layer, buffers) ?? {
          k_cache: { buffer: buffers.storage(`keys ${layer}`, bytes) },
          v_cache: { buffer: buffers.storage(`values ${layer}`, bytes) },
        },
    );
    const table = (rope: RopeConfig) =>
      buffers.storage('rope', ropeTable(rope, settings.contextLength).byteLength);
    const fullTable = table(full);
    this.#rope = { full: fullTable, sliding: sliding === full ? fullTable : table(sliding) };
  }

  /** Bytes that hold the keys and values of the whole context. */
  get cacheBytes(): number {
    const own = this.#caches.filter((_, layer) => !this.#selectionOf(layer));
    return own
      .flatMap(({ k_cache, v_cache, kv_scales }) => [
        k_cache,
        v_cache,
        ...(kv_scales ? [kv_scales] : []),
      ])
      .reduce((sum, { buffer }) => sum + buffer.size, this.#tokenSelect?.cacheBytes ?? 0);
  }

  /** Are there enough keys before this position, or before the last one of a working set, for the cut form of attention? */
  isFar(position: number): boolean {
    const { tokenSelect } = this.#config;
    const keys = tokenSelect ? Math.min(position, capacityOf(tokenSelect) - 1) : position;
    return keys >= this.#splitFrom;
  }

  /** Fills RoPE's tables; `factors` are the vectors of the file that divide the frequencies. Before the first pass. */
  writeRopeTables(factors: ReadonlyMap<string, Float32Array>): void {
    const { full, sliding } = this.#config.rope;
    const write = (buffer: GPUBuffer, config: RopeConfig) => {
      const given = config.factorsTensor === null ? undefined : factors.get(config.factorsTensor);
      this.#gpu.write(buffer, 0, ropeTable(config, this.#settings.contextLength, given));
    };
    write(this.#rope.full, full);
    if (this.#rope.sliding !== this.#rope.full) write(this.#rope.sliding, sliding);
  }

  /** How many layers attend to each of so many tokens when the next one is computed. */
  async attended(tokens: number): Promise<Uint32Array<ArrayBuffer>> {
    const counts = new Uint32Array(tokens);
    const count = (token: number): void => {
      counts[token] = (counts[token] ?? 0) + 1;
    };
    const add = (first: number, end = tokens): void => {
      for (let token = Math.max(0, first); token < end; token += 1) count(token);
    };
    const { numHiddenLayers, slidingWindow, tokenSelect } = this.#config;
    const isSelected = tokenSelect !== null && isLong(tokenSelect, tokens);
    for (let layer = 0; layer < numHiddenLayers; layer += 1) {
      if (this.#kindOf(layer) === 'sliding') add(tokens - (slidingWindow ?? tokens));
      else if (!isSelected) add(0);
    }
    const selected = isSelected ? await this.#tokenSelect?.attended(tokens) : [];
    for (const token of selected?.flat() ?? []) count(token);
    return counts;
  }

  /** May one token of a pass attend by itself, as in a step, and the others be left with their keys and values? */
  get takesLastAlone(): boolean {
    return !this.gates && !this.#tokenSelect && !this.#stagedCache;
  }

  /** What the projection of a layer writes to, for one token or for many. Keys that are selected from are cached before rotation. */
  target(layer: number, tokens: 'one' | 'many'): ProjectionTarget {
    const kind = this.#kindOf(layer);
    const shape = this.#rotatedShape(kind);
    const buffers = { state: this.#state, queries: this.#queries, rope: this.#rope[kind] };
    const select = this.#selectionOf(layer);
    if (select && tokens === 'one') {
      const { contextLength, kv } = select.shape;
      return {
        shape: { ...shape, contextLength, kv },
        buffers: { ...buffers, ...select.ofStep(layer) },
      };
    }
    const { ropeDimensions } = shape;
    const turned = { ...shape, ropeDimensions: select ? 0 : ropeDimensions };
    if (this.#stagedCache) {
      const { passRows: contextLength } = this.#settings;
      return {
        shape: { ...turned, contextLength, kv: 'f32', staged: true },
        buffers: { ...buffers, ...this.#stagedCache.target },
      };
    }
    return { shape: turned, buffers: { ...buffers, ...this.#cacheOf(layer) } };
  }

  /**
   * What a projection writes to that leaves one token in narrow caches by itself; null where caches are not narrow, or nobody would have what
   * else is asked for: numbers to be packed, whole queries.
   */
  narrowTarget(layer: number, bases: LayerBases | null): ProjectionTarget | null {
    const { moh } = this.#config;
    if (!this.#stagedCache || this.#selectionOf(layer) || moh?.router === 'query-norm') return null;
    const buffers = this.#stagedCache.narrowTarget(this.#cacheOf(layer), bases);
    if (!buffers) return null;
    const kind = this.#kindOf(layer);
    const { contextLength } = this.#settings;
    return {
      shape: { ...this.#rotatedShape(kind), contextLength, ragged: true },
      buffers: {
        ...buffers,
        state: { buffer: this.#state, offset: 0, size: stateHeaderBytes },
        rope: this.#rope[kind],
      },
    };
  }

  /**
   * The gates of Mixture-of-Head attention: by a learned router from the residual stream x [tokens, hiddenSize], else from the queries,
   * which the projection has left by now.
   */
  route(layer: number, tokens: 'one' | 'many', { router, attentionNorm, x }: Routed): Dispatches {
    const { moh, numAttentionHeads, headDim, hiddenSize, rmsNormEps } = this.#config;
    if (!moh) return [];
    const shape = routedShape(moh, numAttentionHeads);
    const { gates } = this;
    if (!router) {
      const { queries } = this.target(layer, tokens).buffers;
      const buffers = { queries, gates };
      return [prepareDispatch(this.#gpu, queryNormGates, { ...shape, headDim }, buffers)];
    }
    const use = { ...shape, format: router.format, columns: hiddenSize, epsilon: rmsNormEps };
    const buffers = { weights: router.buffer, x, norm_weight: attentionNorm, gates };
    return [prepareDispatch(this.#gpu, headGates, use, buffers)];
  }

  /**
   * Attention of one token into `out` [heads, headDim]; `bases` of the layer, where its keys and values are cached at reduced width.
   */
  one(layer: number, how: OneToken, out: GPUBuffer, bases: LayerBases | null): Dispatches {
    return this.#one(layer, how, out, bases, null);
  }

  /** The same into `summands` [heads, hiddenSize]: what each head adds to the output projection by `matrix`. */
  oneProjected(
    layer: number,
    how: OneToken,
    matrix: GpuMatrix,
    summands: GPUBuffer,
    bases: LayerBases | null,
  ): Dispatches {
    return this.#one(layer, how, summands, bases, matrix);
  }

  /** Can the heads of one token be projected where they attend, by a matrix of this format? */
  canProject(format: QuantFormat): boolean {
    const summand = { format, rows: this.#config.hiddenSize };
    const ragged = this.#config.matryoshka !== null;
    const use = { ...this.#use('full'), summand, ragged };
    const { capabilities } = this.#gpu;
    const kernels = [attention, ...(canSplitAttention(use) ? [attentionCombine] : [])] as const;
    return kernels.every((kernel) => findVariant(kernel, use, capabilities) !== null);
  }

  #one(
    layer: number,
    how: OneToken,
    out: GPUBuffer,
    bases: LayerBases | null,
    matrix: GpuMatrix | null,
  ): Dispatches {
    const cut = how.far && canSplitAttention(this.#shape());
    const { use, buffers, before } = this.#plan(layer, {
      tokens: how.own ? 'own' : 'one',
      out,
      output: 'f32',
      bases,
      kept: how.kept === true,
      ...(how.state ? { state: how.state } : {}),
    });
    const all = {
      ...buffers,
      ...(matrix ? { weights: matrix.buffer, summands: out } : {}),
      gates: this.gates,
      split_outputs: this.#splitOutputs,
      split_scales: this.#splitScales,
    };
    const summand = matrix ? { summand: { format: matrix.format, rows: matrix.rows } } : {};
    const kernels = cut ? ([attentionSplit, attentionCombine] as const) : ([attention] as const);
    const attended = kernels.map((kernel) =>
      prepareDispatch(this.#gpu, kernel, { ...use, ...summand }, all),
    );
    return [...before, ...attended];
  }

  /** Attention of the tokens of a pass into `out` [tokens, heads, headDim], stored as `output` says. */
  many(layer: number, out: GPUBuffer, output: 'f32' | 'f16', bases: LayerBases | null): Dispatches {
    const { use, buffers, before } = this.#plan(layer, {
      tokens: 'many',
      out,
      output,
      bases,
      kept: false,
    });
    const { gates } = this;
    const all = { ...buffers, gates, head_rows: this.#headRows };
    return [
      ...before,
      ...(gates ? [prepareDispatch(this.#gpu, headRows, use, { ...all, state: this.#state })] : []),
      prepareDispatch(this.#gpu, attention, { ...use, many: true }, all),
    ];
  }

  /** What a decode step leaves to do when all layers have attended: the next step's selection. `bases` as in `one`, of any layer. */
  afterStep(bases: LayerBases | null): Dispatches {
    return this.#tokenSelect?.afterStep(this.#selectionInputs(bases)) ?? [];
  }

  /** Attention over the caches themselves, over the working set of what is selected from them, or over what they keep. */
  #plan(layer: number, { tokens, out, output, bases, kept, state = this.#state }: Wanted): Plan {
    const use: AttentionUse = { ...this.#use(this.#kindOf(layer)), output };
    const select = this.#selectionOf(layer);
    if (select) {
      const selected = { ...use, ...select.shape };
      const given = this.#selectionInputs(bases);
      if (tokens === 'one') {
        return { use: selected, buffers: { ...select.ofStep(layer), out }, before: [] };
      }
      if (tokens === 'own') {
        const buffers = { ...select.ofOwnStep(layer), out };
        return { use: selected, buffers, before: select.forStep(layer, given) };
      }
      const stored = this.#stagedCache?.store(this.#state, this.#cacheOf(layer), bases) ?? [];
      return {
        use: selected,
        buffers: { queries: this.#queries, ...select.ofPass(layer), out },
        before: [...stored, ...select.forPass(layer, { ...given, queries: this.#queries })],
      };
    }
    const caches = this.#cacheOf(layer);
    const how = { many: tokens === 'many', kept };
    const staged = this.#stagedCache?.plan(use, how, this.#state, caches, bases);
    if (staged) return { ...staged, buffers: { ...staged.buffers, out } };
    const buffers = { state, queries: this.#queries, ...caches, out };
    return { use, buffers, before: [] };
  }

  #selectionInputs(bases: LayerBases | null): SelectionInputs {
    return { state: this.#state, rope: this.#rope.full, basis: bases?.all ?? null };
  }

  #use(kind: 'full' | 'sliding'): AttentionUse {
    const { attentionScale, slidingWindow } = this.#config;
    return {
      ...this.#shape(),
      scale: attentionScale,
      window: kind === 'sliding' ? (slidingWindow ?? 0) : 0,
      ...(this.gates ? { gated: true } : {}),
    };
  }

  #shape(): Pick<AttentionUse, 'heads' | 'kvHeads' | 'headDim' | 'contextLength' | 'kv'> {
    const { numAttentionHeads, numKeyValueHeads, headDim } = this.#config;
    return {
      heads: numAttentionHeads,
      kvHeads: numKeyValueHeads,
      headDim,
      contextLength: this.#settings.contextLength,
      kv: this.#settings.kvCache,
    };
  }

  #rotatedShape(kind: 'full' | 'sliding'): ProjectionTarget['shape'] {
    const { dimensions, interleaved } = this.#config.rope[kind];
    // What goes into packed caches is staged as it is.
    const shape = this.#shape();
    const kv = isPacked(shape.kv) ? 'f32' : shape.kv;
    return { ...shape, kv, ropeDimensions: dimensions, interleaved };
  }

  #kindOf(layer: number): 'full' | 'sliding' {
    const { slidingLayers, slidingWindow } = this.#config;
    return slidingLayers[layer] === true && slidingWindow !== null ? 'sliding' : 'full';
  }

  /** Null in layers that do not select: a sliding window is short as it is. */
  #selectionOf(layer: number): TokenSelect | null {
    return this.#kindOf(layer) === 'full' ? this.#tokenSelect : null;
  }

  #cacheOf(layer: number): LayerCaches {
    const cache = this.#caches[layer];
    if (!cache) throw new Error(`layer ${layer} has no cache`);
    return cache;
  }
}
