import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { findVariant, prepareDispatch } from '../gpu/kernel.ts';
import { bySizeOfPass } from '../gpu/sized-dispatches.ts';
import { type AttentionUse, attention, attentionPassSizes } from '../kernels/attention.ts';
import { attentionCombine } from '../kernels/attention-combine.ts';
import {
  attentionSplit,
  attentionSplits,
  canSplitAttention,
  splitFrom,
} from '../kernels/attention-split.ts';
import { headGates } from '../kernels/head-gates.ts';
import { headRows } from '../kernels/head-rows.ts';
import type { GpuMatrix } from '../kernels/linear.ts';
import { queryNormGates } from '../kernels/query-norm-gates.ts';
import { capacityOf } from '../kernels/selection-use.ts';
import type { QuantFormat } from '../quant/format.ts';
import {
  type AttentionConfig,
  type AttentionSettings,
  attentionUse,
  headsShape,
  type LayerKind,
  layerKind,
  type RotatedShape,
  rotatedShape,
} from './attention-shape.ts';
import { KvCaches } from './kv-caches.ts';
import { routedShape } from './moh.ts';
import { RopeTables } from './rope-tables.ts';
import type { LayerBases } from './staged-cache.ts';
import type { SelectionInputs, TokenSelect } from './token-select.ts';

/** Where a layer's projection puts queries, keys and values, and how it turns them: what `qkv` and `rope` have in common. */
export interface ProjectionTarget {
  shape: RotatedShape;
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
  /** The projection has left it in a narrow cache (`narrowTarget`), coefficients of its queries and, where they are several, of its key in so many parts. */
  parts?: number;
  /** A state of its own, where it is the last token of a pass: see `takesLastAlone`. */
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

/** Keys of a working set that two workgroups share. */
const sharedFrom = 512;

/** Of `struct State` before its tokens. */
export const stateHeaderBytes = 16;

/**
 * The attention of all layers of a decoder, from projected queries, keys and values to the outputs of the heads: where these go, routing,
 * and the choice of kernels. Everything is allocated in the constructor; `one` and `many` give the dispatches of a layer.
 */
export class Attention {
  /** The gates of a token's heads, [tokens, heads]; null where every head is on. */
  readonly gates: GPUBuffer | null;
  readonly caches: KvCaches;
  readonly rope: RopeTables;
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
    this.caches = new KvCaches(gpu, config, settings, buffers);
    this.rope = new RopeTables(gpu, config.rope, settings.contextLength, buffers);
    this.#queries = this.caches.staged?.target.queries ?? settings.queries;
    const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim } = config;
    const floats = (label: string, count: number) => buffers.storage(label, count * 4);
    const { passRows } = settings;
    this.gates = config.moh ? floats('gates of heads', passRows * heads) : null;
    this.#headRows = config.moh ? floats('tokens by head', heads * (passRows + 1)) : null;
    const parts = heads * attentionSplits(kvHeads);
    this.#splitOutputs = floats('parts of attention', parts * headDim);
    this.#splitScales = floats('scales of parts', parts * 2);
  }

  /** Are there enough keys before this position, or before the last one of a working set, for the cut form of attention? */
  isFar(position: number): boolean {
    const { tokenSelect } = this.#config;
    const keys = tokenSelect ? Math.min(position, capacityOf(tokenSelect) - 1) : position;
    return keys >= this.#splitFrom && canSplitAttention(headsShape(this.#config, this.#settings));
  }

  /** Do two workgroups share the keys of a head that is projected? Where a working set has so many. */
  sharesKeys(layer: number): boolean {
    const { tokenSelect } = this.#config;
    if (!tokenSelect || !this.caches.selectionOf(layer)) return false;
    const keys = capacityOf(tokenSelect);
    return keys >= sharedFrom && keys <= this.#splitFrom;
  }

  /** May one token of a pass attend by itself, as in a step, and the others be left with their keys and values? */
  get takesLastAlone(): boolean {
    return !this.gates && !this.caches.tokenSelect && !this.caches.staged;
  }

  /** What the projection of a layer writes to, for one token or for many. Keys that are selected from are cached before rotation. */
  target(layer: number, tokens: 'one' | 'many'): ProjectionTarget {
    const kind = this.#kindOf(layer);
    const shape = rotatedShape(this.#config, this.#settings, kind);
    const buffers = { state: this.#state, queries: this.#queries, rope: this.rope.of[kind] };
    const select = this.caches.selectionOf(layer);
    if (select && tokens === 'one') {
      const { contextLength, kv } = select.shape;
      return {
        shape: { ...shape, contextLength, kv },
        buffers: { ...buffers, ...select.ofStep(layer) },
      };
    }
    const { ropeDimensions } = shape;
    const turned = { ...shape, ropeDimensions: select ? 0 : ropeDimensions };
    if (this.caches.staged) {
      const { passRows: contextLength } = this.#settings;
      return {
        shape: { ...turned, contextLength, kv: 'f32', staged: true },
        buffers: { ...buffers, ...this.caches.staged.target },
      };
    }
    return { shape: turned, buffers: { ...buffers, ...this.caches.of(layer) } };
  }

  /**
   * What a projection writes to that leaves one token in narrow caches by itself; null where caches are not narrow, or nobody would have what
   * else is asked for: numbers to be packed, whole queries.
   */
  narrowTarget(layer: number, bases: LayerBases | null): ProjectionTarget | null {
    const { moh } = this.#config;
    if (this.caches.selectionOf(layer) || moh?.router === 'query-norm') return null;
    const buffers = this.caches.staged?.narrowTarget(this.caches.of(layer), bases);
    if (!buffers) return null;
    const kind = this.#kindOf(layer);
    const { contextLength } = this.#settings;
    return {
      shape: { ...rotatedShape(this.#config, this.#settings, kind), contextLength, ragged: true },
      buffers: {
        ...buffers,
        state: { buffer: this.#state, offset: 0, size: stateHeaderBytes },
        rope: this.rope.of[kind],
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

  /** Can the heads of one token be projected where they attend, by a matrix of this format? */
  canProject(format: QuantFormat): boolean {
    const summand = { format, rows: this.#config.hiddenSize };
    const ragged = this.#config.matryoshka !== null;
    const use = { ...attentionUse(this.#config, this.#settings, 'full'), summand, ragged };
    const { capabilities } = this.#gpu;
    const kernels = [attention, ...(canSplitAttention(use) ? [attentionCombine] : [])] as const;
    return kernels.every((kernel) => findVariant(kernel, use, capabilities) !== null);
  }

  /**
   * Attention of one token into `out` [heads, headDim], or, with the `matrix` of the output projection, into summands [heads, hiddenSize]: what
   * each head adds to that. `bases` of the layer, where its keys and values are cached at reduced width.
   */
  one(
    layer: number,
    how: OneToken,
    out: GPUBuffer,
    bases: LayerBases | null,
    matrix: GpuMatrix | null = null,
  ): Dispatches {
    const { use, buffers, before } = this.#plan(layer, how.own ? 'own' : 'one', bases, how);
    const shared = this.sharesKeys(layer);
    const summand = matrix ? { summand: { format: matrix.format, rows: matrix.rows, shared } } : {};
    const all = {
      ...buffers,
      weights: matrix?.buffer ?? null,
      out,
      summands: out,
      gates: this.gates,
      split_outputs: this.#splitOutputs,
      split_scales: this.#splitScales,
    };
    const kernels = how.far
      ? ([attentionSplit, attentionCombine] as const)
      : ([attention] as const);
    const attended = kernels.map((kernel) =>
      prepareDispatch(this.#gpu, kernel, { ...use, ...summand }, all),
    );
    return [...before, ...attended];
  }

  /** Attention of the tokens of a pass into `out` [tokens, heads, headDim], stored as `output` says. */
  many(layer: number, out: GPUBuffer, output: 'f32' | 'f16', bases: LayerBases | null): Dispatches {
    const plan = this.#plan(layer, 'many', bases);
    const use = { ...plan.use, output, many: true };
    const { gates } = this;
    const all = { ...plan.buffers, out, gates, head_rows: this.#headRows };
    const { passRows } = this.#settings;
    const sizes = attentionPassSizes(use).filter((tokens) => tokens <= passRows);
    const ordered = { heads: use.heads, mostTokens: passRows };
    return [
      ...plan.before,
      ...(gates
        ? [prepareDispatch(this.#gpu, headRows, ordered, { ...all, state: this.#state })]
        : []),
      ...bySizeOfPass(this.#gpu, attention, use, sizes, all),
    ];
  }

  /** What a decode step leaves to do when all layers have attended: the next step's selection. `bases` as in `one`, of any layer. */
  afterStep(bases: LayerBases | null): Dispatches {
    return this.caches.tokenSelect?.afterStep(this.#selectionInputs(bases)) ?? [];
  }

  /** Attention over the caches themselves, over what they keep, or over the working set of what is selected from them. */
  #plan(
    layer: number,
    tokens: 'one' | 'own' | 'many',
    bases: LayerBases | null,
    { parts = 0, state = this.#state }: Pick<OneToken, 'parts' | 'state'> = {},
  ): Plan {
    const use = this.#use(layer);
    const select = this.caches.selectionOf(layer);
    if (select) {
      return {
        ...this.#planSelected(select, layer, tokens, bases),
        use: { ...use, ...select.shape },
      };
    }
    const caches = this.caches.of(layer);
    const how = { layer, many: tokens === 'many', parts };
    return (
      this.caches.staged?.plan(use, how, this.#state, caches, bases) ?? {
        use,
        buffers: { state, queries: this.#queries, ...caches },
        before: [],
      }
    );
  }

  #planSelected(
    select: TokenSelect,
    layer: number,
    tokens: 'one' | 'own' | 'many',
    bases: LayerBases | null,
  ): Omit<Plan, 'use'> {
    const queries = this.#queries;
    const given = this.#selectionInputs(bases);
    if (tokens === 'one') return { buffers: { ...select.ofStep(layer) }, before: [] };
    if (tokens === 'own') {
      return { buffers: { ...select.ofOwnStep(layer) }, before: select.forStep(layer, given) };
    }
    const stored = this.caches.staged?.store(this.#state, this.caches.of(layer), bases) ?? [];
    return {
      buffers: { queries, ...select.ofPass(layer) },
      before: [...stored, ...select.forPass(layer, { ...given, queries })],
    };
  }

  #selectionInputs(bases: LayerBases | null): SelectionInputs {
    return { state: this.#state, rope: this.rope.of.full, basis: bases?.all ?? null };
  }

  #use(layer: number): AttentionUse {
    return attentionUse(this.#config, this.#settings, this.#kindOf(layer));
  }

  #kindOf(layer: number): LayerKind {
    return layerKind(this.#config, layer);
  }
}
