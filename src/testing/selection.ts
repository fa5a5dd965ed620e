import { ropeTable } from '../kernels/rope-table.ts';
import { layerBytes, type SelectionUse } from '../kernels/selection-use.ts';

/** A small use of TokenSelect's kernels: a working set of 4 + 6 + 8 tokens. */
export function selectionUse(change: Partial<SelectionUse> = {}): SelectionUse {
  return {
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    contextLength: 220,
    kv: 'f32',
    ropeDimensions: 16,
    interleaved: false,
    initial: 4,
    selected: 6,
    local: 8,
    similarity: 0.9,
    layers: 1,
    ...change,
  };
}

/** Angles as models have them, for a use's rotated components. */
export function selectionRope(use: SelectionUse): {
  inverseFrequencies: Float64Array;
  table: Float32Array<ArrayBuffer>;
} {
  const { ropeDimensions, interleaved, contextLength } = use;
  const inverseFrequencies = Float64Array.from(
    { length: ropeDimensions / 2 },
    (_, i) => 10_000 ** ((-2 * i) / ropeDimensions),
  );
  const config = {
    dimensions: ropeDimensions,
    interleaved,
    factorsTensor: null,
    inverseFrequencies,
    magnitude: 1,
  };
  return { inverseFrequencies, table: ropeTable(config, contextLength) };
}

/** The query that selects: the mean of the queries [rows, heads, headDim] of a pass, each head turned to position `local`. */
export function meanQuery(
  use: SelectionUse,
  queries: ArrayLike<number>,
  rows: number,
  turn: (head: Float64Array, position: number) => Float64Array,
): Float64Array {
  const { heads, headDim, local } = use;
  const mean = new Float64Array(heads * headDim);
  for (let i = 0; i < rows * mean.length; i += 1) {
    mean[i % mean.length] = (mean[i % mean.length] ?? 0) + (queries[i] ?? 0) / rows;
  }
  for (let at = 0; at < mean.length; at += headDim) {
    mean.set(turn(mean.slice(at, at + headDim), local), at);
  }
  return mean;
}

/** The cosine of two vectors. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, lengthA, lengthB] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    product += (a[i] ?? 0) * (b[i] ?? 0);
    lengthA += (a[i] ?? 0) ** 2;
    lengthB += (b[i] ?? 0) ** 2;
  }
  return product / Math.sqrt(lengthA * lengthB);
}

/** `struct Selection` as the kernels see it: whole, with words that no kernel touches behind its tokens. */
export function packSelection(
  use: SelectionUse,
  header: readonly [number, number, number, number],
  tokens: readonly number[],
): Uint32Array<ArrayBuffer> {
  const packed = new Uint32Array(layerBytes(use).selections / 4);
  packed.set([...header, ...tokens]);
  return packed;
}

/** `struct Place`. */
export function packPlace(position: number, rows: number): Uint32Array<ArrayBuffer> {
  const packed = new Uint32Array(64);
  packed.set([position, rows]);
  return packed;
}
