import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { chooseVariant, prepareDispatch } from '../gpu/kernel.ts';
import { type AttentionUse, attention } from '../kernels/attention.ts';
import { type AttentionSplitUse, canProjectToken } from '../kernels/attention-split.ts';
import { type KeptWidths, packHeadWidths, rowBlocks } from '../kernels/head-widths.ts';
import { isPacked, kvBytes, packedBlock, scaleBytes } from '../kernels/kv-format.ts';
import { type KvProjectUse, kvProject, stagedBytes } from '../kernels/kv-project.ts';
import { kvQuantize } from '../kernels/kv-quantize.ts';
import { kvUnpack } from '../kernels/kv-unpack.ts';
import type { KvCacheFormat } from '../types.ts';

/** The bases of a layer on the GPU. */
export interface LayerBases {
  /** Of keys, [kvHeads, headDim, headDim] in halves. */
  keys: GPUBuffer;
  /** Of values in their basis, [kvHeads, headDim]. */
  mean: GPUBuffer;
}

/** The caches of a layer; those that are packed have scales. */
export type LayerCaches = Record<'k_cache' | 'v_cache', BufferRange> & { kv_scales?: BufferRange };

type Bound = Readonly<Record<string, GPUBuffer | BufferRange | null>>;

/** What attention reads, and the dispatches that make it of what is staged. */
export interface StagedPlan {
  use: AttentionSplitUse;
  buffers: Bound;
  before: Promise<Dispatch>[];
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
  readonly #widths: readonly { kept: readonly KeptWidths[]; buffer: GPUBuffer }[] | null;
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
    widths: readonly (readonly KeptWidths[])[] | null,
    shape: AttentionUse | null,
    buffers: BufferSet,
  ) {
    this.#gpu = gpu;
    this.#use = use;
    const { kvHeads, headDim, contextLength, kv } = use;
    const { queries, keys } = stagedBytes(use);
    const buffer = buffers.storage('queries, keys and values of a pass', queries + 2 * keys);
    this.#staged = buffer;
    this.target = {
      queries: { buffer, offset: 0, size: queries },
      k_cache: { buffer, offset: queries, size: keys },
      v_cache: { buffer, offset: queries + keys, size: keys },
    };
    this.#widths =
      widths?.map((kept, layer) => {
        const packed = packHeadWidths(kept);
        const label = `widths ${layer}`;
        const buffer = buffers.create(label, packed.byteLength, GPUBufferUsage.UNIFORM);
        gpu.write(buffer, 0, packed);
        return { kept, buffer };
      }) ?? null;
    this.#narrowQueries = widths && buffers.storage('coefficients of queries', queries);
    this.#narrowRows =
      widths && isPacked(kv) ? buffers.storage('coefficients of a pass', 2 * keys) : null;
    // Subgroup matrices multiply halves: a pass unpacks the layer once for all its tiles of tokens.
    const ofHalves = shape && ({ ...shape, kv: 'f16', many: true } as const);
    const multiplies =
      ofHalves && chooseVariant(attention, ofHalves, gpu.capabilities).name === 'matrix';
    const bytes = kvBytes('f16', kvHeads * contextLength * headDim);
    const halves = (label: string) => buffers.storage(`${label} of a layer in halves`, bytes);
    this.#halves =
      isPacked(kv) && multiplies ? { keys: halves('keys'), values: halves('values') } : null;
  }

  /** The caches of a layer. */
  allocate(layer: number, buffers: BufferSet): LayerCaches {
    const { kvHeads, headDim, contextLength, kv } = this.#use;
    const whole = { keys: headDim, values: headDim };
    const kept = this.#widths?.[layer]?.kept ?? new Array<KeptWidths>(kvHeads).fill(whole);
    const total = (of: (own: KeptWidths) => number) =>
      contextLength * kept.reduce((sum, own) => sum + of(own), 0);
    const storage = (label: string, bytes: number): BufferRange => ({
      buffer: buffers.storage(`${label} ${layer}`, bytes),
    });
    return {
      k_cache: storage(
        'keys',
        kvBytes(
          kv,
          total(({ keys }) => keys),
        ),
      ),
      v_cache: storage(
        'values',
        kvBytes(
          kv,
          total(({ values }) => values),
        ),
      ),
      ...(isPacked(kv)
        ? { kv_scales: storage('scales', scaleBytes(total(rowBlocks) * packedBlock)) }
        : {}),
    };
  }

  /**
   * Attention of a layer; `cut` along the context, it may put the newest token into a narrow cache itself. `bases` where rows are narrow.
   */
  plan(
    layer: number,
    use: AttentionUse,
    how: { many: boolean; cut: boolean },
    state: GPUBuffer,
    caches: LayerCaches,
    bases: LayerBases | null,
  ): StagedPlan {
    const { kv, stagedRows } = this.#use;
    const head_widths = this.#widths?.[layer]?.buffer;
    const ragged = head_widths !== undefined;
    const narrow = {
      queries: this.#narrowQueries ?? this.target.queries,
      ...(ragged && bases ? { head_widths, mean: bases.mean, basis: bases.keys } : {}),
    };
    const shared = { state, ...caches, ...narrow };
    if (ragged && how.cut && canProjectToken(use, this.#gpu.capabilities)) {
      const buffers = { ...shared, queries: this.#staged };
      return { use: { ...use, ragged, stagedRows }, buffers, before: [] };
    }
    const before = this.#store(ragged, shared);
    const halves = how.many ? this.#halves : null;
    if (!isPacked(kv) || !halves) return { use: { ...use, ragged }, buffers: shared, before };
    const packed = { ...this.#use, kv, ragged };
    before.push(prepareDispatch(this.#gpu, kvUnpack, packed, { ...shared, ...halves }));
    const { queries } = narrow;
    const buffers = { state, queries, k_cache: halves.keys, v_cache: halves.values };
    return { use: { ...use, kv: 'f16' }, buffers, before };
  }

  /** Puts what is staged into whole rows of packed caches. */
  store(state: GPUBuffer, caches: LayerCaches): Promise<Dispatch>[] {
    return this.#store(false, { state, ...caches });
  }

  #store(ragged: boolean, buffers: Bound): Promise<Dispatch>[] {
    const { kv } = this.#use;
    const before = ragged ? [this.#project(buffers)] : [];
    if (!isPacked(kv)) return before;
    const staged = this.#narrowRows ?? this.#stagedRows;
    const use = { ...this.#use, kv, ragged };
    return [...before, prepareDispatch(this.#gpu, kvQuantize, use, { ...buffers, staged })];
  }

  /** Coefficients of what is staged, into the caches or on their way to them. */
  #project(buffers: Bound): Promise<Dispatch> {
    const { kv, stagedRows } = this.#use;
    const to = {
      ...buffers,
      queries: this.target.queries,
      staged: this.#stagedRows,
      narrow_queries: this.#narrowQueries,
    };
    const buffer = this.#narrowRows;
    if (!isPacked(kv)) return prepareDispatch(this.#gpu, kvProject, { ...this.#use, kv }, to);
    if (!buffer) throw new Error('a packed cache has no coefficients on their way');
    const { keys: size } = stagedBytes(this.#use);
    const use = { ...this.#use, kv: 'f32', contextLength: stagedRows, staged: true } as const;
    const k_cache = { buffer, offset: 0, size };
    const v_cache = { buffer, offset: size, size };
    return prepareDispatch(this.#gpu, kvProject, use, { ...to, k_cache, v_cache });
  }

  get #stagedRows(): BufferRange {
    const { queries, keys } = stagedBytes(this.#use);
    return { buffer: this.#staged, offset: queries, size: 2 * keys };
  }
}
