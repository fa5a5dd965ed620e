import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import {
  type KeptWidths,
  type KvProjectUse,
  kvProject,
  packHeadWidths,
  stagedBytes,
} from '../kernels/kv-project.ts';
import { type KvUnprojectUse, kvUnproject } from '../kernels/kv-unproject.ts';

/** The bases of a layer on the GPU. */
export interface LayerBases {
  /** [2 · kvHeads, headDim, headDim] in halves: those of keys, then those of values. */
  vectors: GPUBuffer;
  /** Of the values, [kvHeads, headDim]. */
  mean: GPUBuffer;
}

/** What attention reads and writes in place of the queries and of its output. */
export interface NarrowBuffers {
  queries: GPUBuffer;
  attended: GPUBuffer;
  head_widths: GPUBuffer;
}

/** Around the ragged caches of MatryoshkaKV: where a projection puts keys and values, and the ways into the caches and back. */
export class RaggedCache {
  /** Queries [tokens, heads, headDim], keys and values [kvHeads, stagedRows, headDim] of a pass, one behind the other. */
  readonly staged: GPUBuffer;
  /** The parts of it, as a projection names them. */
  readonly target: Record<'queries' | 'k_cache' | 'v_cache', BufferRange>;
  readonly #gpu: Gpu;
  readonly #use: KvProjectUse;
  readonly #narrowQueries: GPUBuffer;
  readonly #narrowAttended: GPUBuffer;
  readonly #widths: readonly GPUBuffer[];

  constructor(
    gpu: Gpu,
    use: KvProjectUse,
    widths: readonly (readonly KeptWidths[])[],
    buffers: BufferSet,
  ) {
    this.#gpu = gpu;
    this.#use = use;
    const { heads, headDim, stagedRows } = use;
    const { queries, keys } = stagedBytes(use);
    const buffer = buffers.storage('queries, keys and values of a pass', queries + 2 * keys);
    this.staged = buffer;
    this.target = {
      queries: { buffer, offset: 0, size: queries },
      k_cache: { buffer, offset: queries, size: keys },
      v_cache: { buffer, offset: queries + keys, size: keys },
    };
    const narrow = stagedRows * heads * headDim * 4;
    this.#narrowQueries = buffers.storage('coefficients of queries', narrow);
    this.#narrowAttended = buffers.storage('attended coefficients', narrow);
    this.#widths = widths.map((own, layer) => {
      const packed = packHeadWidths(own);
      const label = `widths ${layer}`;
      const buffer = buffers.create(label, packed.byteLength, GPUBufferUsage.UNIFORM);
      gpu.write(buffer, 0, packed);
      return buffer;
    });
  }

  narrow(layer: number): NarrowBuffers {
    const widths = this.#widths[layer];
    if (!widths) throw new Error(`layer ${layer} has no widths`);
    return {
      queries: this.#narrowQueries,
      attended: this.#narrowAttended,
      head_widths: widths,
    };
  }

  /** Puts what is staged into the caches of a layer. */
  project(
    layer: number,
    bases: LayerBases,
    buffers: Record<'state' | 'k_cache' | 'v_cache', GPUBuffer | BufferRange>,
  ): Promise<Dispatch> {
    const { queries, head_widths } = this.narrow(layer);
    const { buffer, offset, size = 0 } = this.target.k_cache;
    return prepareDispatch(this.#gpu, kvProject, this.#use, {
      ...buffers,
      queries: this.target.queries,
      staged: { buffer, offset: offset ?? 0, size: 2 * size },
      basis: bases.vectors,
      mean: bases.mean,
      narrow_queries: queries,
      head_widths,
    });
  }

  /** Makes outputs of heads of what was attended. */
  unproject(
    layer: number,
    bases: LayerBases,
    { gated, output }: Pick<KvUnprojectUse, 'gated' | 'output'>,
    buffers: { state: GPUBuffer; gates: GPUBuffer | null; out: GPUBuffer },
  ): Promise<Dispatch> {
    const { heads, kvHeads, headDim } = this.#use;
    const { attended, head_widths } = this.narrow(layer);
    const use = {
      heads,
      kvHeads,
      headDim,
      ...(gated ? { gated } : {}),
      ...(output ? { output } : {}),
    };
    return prepareDispatch(this.#gpu, kvUnproject, use, {
      ...buffers,
      narrow: attended,
      basis: bases.vectors,
      mean: bases.mean,
      head_widths,
    });
  }
}
