import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { chooseVariant, prepareDispatch } from '../gpu/kernel.ts';
import { type AttentionUse, attention } from '../kernels/attention.ts';
import {
  halvesOf,
  type KeptWidths,
  narrowCacheBytes,
  packHeadWidths,
} from '../kernels/head-widths.ts';
import { isPacked, kvBytes } from '../kernels/kv-format.ts';
import { type KvProjectUse, kvProject, stagedBytes } from '../kernels/kv-project.ts';
import { kvQuantize } from '../kernels/kv-quantize.ts';
import { kvUnpack } from '../kernels/kv-unpack.ts';
import { leastPart } from '../kernels/qkv.ts';
import type { KvCacheFormat } from '../types.ts';
import type { MatryoshkaConfig } from './matryoshka.ts';

/** The bases of a layer on the GPU. */
export interface LayerBases {
  /** Of keys, [kvHeads, headDim, headDim] in halves, with the mean behind them. */
  keys: BufferRange;
  /** Of values in their basis, [kvHeads, headDim]. */
  mean: BufferRange;
  /** Those of all layers: `basisBytes`. */
  all: GPUBuffer;
}

/** The caches of a layer; those that are packed have scales, those that are narrow widths. */
export type LayerCaches = Record<'k_cache' | 'v_cache', BufferRange> &
  Partial<Record<'kv_scales' | 'head_widths', BufferRange>>;

type Bound = Readonly<Record<string, GPUBuffer | BufferRange | null>>;

/** What attention reads, and the dispatches that make it of what is staged. */
export interface StagedPlan {
  use: AttentionUse;
  buffers: Bound;
  before: Promise<Dispatch>[];
}

/** Whether rows are narrow, and queries become coefficients with them. */
interface StoreHow {
  ragged: boolean;
  queries: boolean;
}

type StagedUse = Omit<KvProjectUse, 'kv' | 'staged'> & { kv: KvCacheFormat };

/**
 * Around caches that a projection does not fill itself: those of MatryoshkaKV, which keep the first coefficients of keys and values, those of 8
 * or 4 bits a component, and both in one. A projection leaves a pass in single precision; `plan` puts it into the caches.
 */
export class StagedCache {
  /** The parts of `#staged`, as a projection names them. */
  readonly target: Record<'queries' | 'k_cache' | 'v_cache', BufferRange>;
  readonly #gpu: Gpu;
  readonly #use: StagedUse;
  /** By layer; null where rows are whole. */
  readonly #widths: MatryoshkaConfig['widths'] | null;
  /** Queries [tokens, heads, headDim], keys and values [kvHeads, stagedRows, headDim] of a pass, one behind the other. */
  readonly #staged: GPUBuffer;
  readonly #narrowQueries: GPUBuffer | null;
  /** Coefficients on their way to a packed cache. */
  readonly #narrowRows: GPUBuffer | null;
  /** The keys and values of one layer in halves; null where attention of many tokens reads the caches themselves. */
  readonly #halves: Record<'keys' | 'values', GPUBuffer> | null;

  /** `shape` is what attention of many tokens will be; null where it reads no whole cache. */
  constructor(
    gpu: Gpu,
    use: StagedUse,
    widths: MatryoshkaConfig['widths'] | null,
    shape: AttentionUse | null,
    buffers: BufferSet,
  ) {
    this.#gpu = gpu;
    this.#use = use;
    const { heads, kvHeads, headDim, contextLength, kv } = use;
    const { queries, keys } = stagedBytes(use);
    const buffer = buffers.storage('queries, keys and values of a pass', queries + 2 * keys);
    this.#staged = buffer;
    this.target = {
      queries: { buffer, offset: 0, size: queries },
      k_cache: { buffer, offset: queries, size: keys },
      v_cache: { buffer, offset: queries + keys, size: keys },
    };
    this.#widths = widths;
    // Of a pass, or of a token whose key is among them, in parts of at least so many components.
    const inParts = ((heads + kvHeads) * headDim ** 2 * 4) / leastPart;
    const coefficients = Math.max(queries, inParts);
    this.#narrowQueries = widths && buffers.storage('coefficients of queries', coefficients);
    this.#narrowRows =
      widths && isPacked(kv) ? buffers.storage('coefficients of a pass', 2 * keys) : null;
    // Subgroup matrices multiply halves: a pass unpacks the layer once for all its tiles of tokens.
    const ofHalves = shape && ({ ...shape, kv: 'f16', many: true } as const);
    const multiplies =
      ofHalves && chooseVariant(attention, ofHalves, gpu.capabilities).name.startsWith('matrix');
    const bytes = kvBytes('f16', kvHeads * contextLength * headDim);
    const halves = (label: string) => buffers.storage(`${label} of a layer in halves`, bytes);
    this.#halves =
      isPacked(kv) && multiplies ? { keys: halves('keys'), values: halves('values') } : null;
  }

  /** The caches of a layer. */
  allocate(layer: number, buffers: BufferSet): LayerCaches {
    const { kvHeads, headDim } = this.#use;
    const whole = { keys: headDim, values: headDim };
    const narrow = this.#widths?.[layer];
    const kept = narrow ?? new Array<KeptWidths>(kvHeads).fill(whole);
    const bytes = narrowCacheBytes(this.#use, kept);
    const storage = (label: string, size: number): BufferRange => ({
      buffer: buffers.storage(`${label} ${layer}`, size),
    });
    return {
      k_cache: storage('keys', bytes.k_cache),
      v_cache: storage('values', bytes.v_cache),
      ...(isPacked(this.#use.kv) ? { kv_scales: storage('scales', bytes.kv_scales) } : {}),
      ...(narrow
        ? { head_widths: { buffer: buffers.uniform(`widths ${layer}`, packHeadWidths(narrow)) } }
        : {}),
    };
  }

  /** What a projection that makes coefficients itself writes to; null where rows are whole, or numbers want to be packed. */
  narrowTarget(
    caches: LayerCaches,
    bases: LayerBases | null,
  ): Record<'queries' | 'k_cache' | 'v_cache' | 'head_widths' | 'basis', BufferRange> | null {
    const { k_cache, v_cache, head_widths } = caches;
    const buffer = this.#narrowQueries;
    if (!bases || !buffer || !head_widths || isPacked(this.#use.kv)) return null;
    return { queries: { buffer }, k_cache, v_cache, head_widths, basis: bases.keys };
  }

  /**
   * Attention over the caches of a layer, in which the newest token is where the projection left it in `parts`. `bases` where rows are narrow.
   */
  plan(
    use: AttentionUse,
    how: { layer: number; many: boolean; parts: number },
    state: GPUBuffer,
    caches: LayerCaches,
    bases: LayerBases | null,
  ): StagedPlan {
    const { kv } = this.#use;
    const kept = this.#widths?.[how.layer];
    const ragged = kept !== undefined;
    const narrow = { ...use, ragged, ...(kept ? halvesOf(this.#use, kept) : {}) };
    const queries = this.#narrowQueries ?? this.target.queries;
    const shared = { state, queries, ...caches, ...boundBases(bases) };
    if (how.parts > 0) {
      const parts = how.parts > 1 ? { parts: how.parts } : {};
      return { use: { ...narrow, ...parts }, buffers: shared, before: [] };
    }
    const before = this.#store(shared, { ragged, queries: true });
    const halves = how.many ? this.#halves : null;
    if (!isPacked(kv) || !halves) return { use: narrow, buffers: shared, before };
    const packed = { ...this.#use, kv, ragged };
    before.push(prepareDispatch(this.#gpu, kvUnpack, packed, { ...shared, ...halves }));
    const buffers = { state, queries, k_cache: halves.keys, v_cache: halves.values };
    return { use: { ...use, kv: 'f16' }, buffers, before };
  }

  /** Puts the keys and values that are staged into caches, and leaves queries as they are. */
  store(state: GPUBuffer, caches: LayerCaches, bases: LayerBases | null): Promise<Dispatch>[] {
    const buffers = { state, ...caches, ...boundBases(bases) };
    return this.#store(buffers, { ragged: caches.head_widths !== undefined, queries: false });
  }

  #store(buffers: Bound, { ragged, queries }: StoreHow): Promise<Dispatch>[] {
    const { kv } = this.#use;
    const before = ragged ? [this.#project(buffers, queries)] : [];
    if (!isPacked(kv)) return before;
    const staged = this.#narrowRows ?? this.#stagedRows;
    const use = { ...this.#use, kv, ragged };
    return [...before, prepareDispatch(this.#gpu, kvQuantize, use, { ...buffers, staged })];
  }

  /** Coefficients of what is staged, into the caches or on their way to them. */
  #project(buffers: Bound, queries: boolean): Promise<Dispatch> {
    const { kv, stagedRows, heads } = this.#use;
    const shape = { ...this.#use, heads: queries ? heads : 0 };
    const to = {
      ...buffers,
      queries: this.target.queries,
      staged: this.#stagedRows,
      narrow_queries: this.#narrowQueries,
    };
    const buffer = this.#narrowRows;
    if (!isPacked(kv)) return prepareDispatch(this.#gpu, kvProject, { ...shape, kv }, to);
    if (!buffer) throw new Error('a packed cache has no coefficients on their way');
    const { keys: size } = stagedBytes(this.#use);
    const use = { ...shape, kv: 'f32', contextLength: stagedRows, staged: true } as const;
    const k_cache = { buffer, offset: 0, size };
    const v_cache = { buffer, offset: size, size };
    return prepareDispatch(this.#gpu, kvProject, use, { ...to, k_cache, v_cache });
  }

  get #stagedRows(): BufferRange {
    const { queries, keys } = stagedBytes(this.#use);
    return { buffer: this.#staged, offset: queries, size: 2 * keys };
  }
}

/** As kernels name them. */
function boundBases(bases: LayerBases | null): Bound {
  return bases ? { basis: bases.keys, mean: bases.mean } : {};
}
