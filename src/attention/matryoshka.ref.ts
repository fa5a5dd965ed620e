import type { KeptWidths } from '../kernels/head-widths.ts';
import { project, unproject } from '../kernels/kv-project.ref.ts';

interface HeadShape {
  numKeyValueHeads: number;
  headDim: number;
}

/**
 * MatryoshkaKV of one layer in plain TypeScript and double precision: rows of all KV heads side by side, as they are read from a cache that
 * keeps coefficients of them. Bases of keys are [kvHeads, headDim, headDim]; values are in their basis, and so is their mean [kvHeads, headDim].
 */
export class ReferenceBases {
  readonly #headDim: number;
  readonly #widths: readonly KeptWidths[];
  readonly #keys: Float64Array;
  readonly #mean: Float64Array;

  constructor(
    { headDim }: HeadShape,
    widths: readonly KeptWidths[],
    { keys, mean }: { keys: Float64Array; mean: Float64Array },
  ) {
    this.#headDim = headDim;
    this.#widths = widths;
    this.#keys = keys;
    this.#mean = mean;
  }

  /** `store`: what becomes of a head's coefficients in the cache. */
  key(row: Float64Array, store: (kept: Float64Array) => Float64Array): Float64Array {
    const size = this.#headDim ** 2;
    return this.#eachHead(row, (head, kvHead) => {
      const basis = this.#keys.subarray(kvHead * size, (kvHead + 1) * size);
      const width = this.#widths[kvHead]?.keys ?? 0;
      const whole = new Float64Array(this.#headDim);
      whole.set(store(project(basis, head, width).slice(0, width)));
      return unproject(basis, whole);
    });
  }

  value(row: Float64Array, store: (kept: Float64Array) => Float64Array): Float64Array {
    return this.#eachHead(row, (head, kvHead) => {
      const at = kvHead * this.#headDim;
      const whole = this.#mean.slice(at, at + this.#headDim);
      whole.set(store(head.slice(0, this.#widths[kvHead]?.values ?? 0)));
      return whole;
    });
  }

  #eachHead(
    heads: Float64Array,
    change: (head: Float64Array, index: number) => Float64Array,
  ): Float64Array {
    const out = new Float64Array(heads.length);
    for (let at = 0; at < heads.length; at += this.#headDim) {
      out.set(change(heads.slice(at, at + this.#headDim), at / this.#headDim), at);
    }
    return out;
  }
}
