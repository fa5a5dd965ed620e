import { project, unproject } from '../kernels/kv-project.ref.ts';
import type { KeptWidths } from '../kernels/kv-project.ts';

interface HeadShape {
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
}

/** Attention of one token over the keys and values that it sees: outputs of all heads. */
type Attend = (
  queries: Float64Array,
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
) => Float64Array;

/**
 * MatryoshkaKV of one layer in plain TypeScript and double precision. Bases are [kvHeads, headDim, headDim], the mean of the values is
 * [kvHeads, headDim]; heads lie side by side in every vector.
 */
export class ReferenceBases {
  readonly #shape: HeadShape;
  readonly #widths: readonly KeptWidths[];
  readonly #keys: Float64Array;
  readonly #values: Float64Array;
  readonly #mean: Float64Array;

  constructor(
    shape: HeadShape,
    widths: readonly KeptWidths[],
    bases: { keys: Float64Array; values: Float64Array; mean: Float64Array },
  ) {
    this.#shape = shape;
    this.#widths = widths;
    this.#keys = bases.keys;
    this.#values = bases.values;
    this.#mean = bases.mean;
  }

  /** Outputs of the heads: attention over coefficients, which become whole heads again, then gates. */
  attend(
    queries: Float64Array,
    keys: readonly Float64Array[],
    values: readonly Float64Array[],
    attend: Attend,
    gates: readonly number[] | null,
  ): Float64Array {
    const { numAttentionHeads, numKeyValueHeads } = this.#shape;
    const share = numAttentionHeads / numKeyValueHeads;
    const kvHeadOf = (head: number) => Math.floor(head / share);
    const itself = (head: number) => head;
    const narrow = (heads: Float64Array, of: (head: number) => number, part: keyof KeptWidths) =>
      this.#eachHead(heads, (row, head) => {
        const basis = this.#basis(part, of(head));
        return project(basis, row, this.#widths[of(head)]?.[part] ?? 0);
      });
    const attended = attend(
      narrow(queries, kvHeadOf, 'keys'),
      keys.map((key) => narrow(key, itself, 'keys')),
      values.map((value) => narrow(minus(value, this.#mean), itself, 'values')),
    );
    const { headDim } = this.#shape;
    return this.#eachHead(attended, (row, head) => {
      const mean = this.#mean.subarray(kvHeadOf(head) * headDim);
      const whole = unproject(this.#basis('values', kvHeadOf(head)), row);
      return whole.map((value, i) => (gates?.[head] ?? 1) * (value + (mean[i] as number)));
    });
  }

  #basis(part: keyof KeptWidths, kvHead: number): Float64Array {
    const size = this.#shape.headDim ** 2;
    const all = part === 'keys' ? this.#keys : this.#values;
    return all.subarray(kvHead * size, (kvHead + 1) * size);
  }

  #eachHead(
    heads: Float64Array,
    change: (head: Float64Array, index: number) => Float64Array,
  ): Float64Array {
    const { headDim } = this.#shape;
    const out = new Float64Array(heads.length);
    for (let at = 0; at < heads.length; at += headDim) {
      out.set(change(heads.slice(at, at + headDim), at / headDim), at);
    }
    return out;
  }
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] as number));
}
