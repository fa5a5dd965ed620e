import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { rotateHead } from './rope.ref.ts';
import { ropeTable } from './rope-table.ts';
import type { SelectionUse } from './selection-query.ts';

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

interface Situation {
  position: number;
  rows: number;
  continues?: boolean;
  /** The last token left a selection that may be gone on with. */
  wasReusable?: boolean;
  /** How far the last query is from this one: 0 is the same. */
  distance?: number;
  change?: Partial<SelectionUse>;
}

function toCase(name: string, situation: Situation): KernelCase<SelectionUse> {
  const { position, rows, continues = false, wasReusable = false, distance = 1 } = situation;
  const use = selectionUse(situation.change);
  const random = new Random(1300 + position);
  const queries = random.activations(rows * use.heads * use.headDim);
  const { inverseFrequencies, table } = selectionRope(use);
  const query = meanQuery(use, queries, rows, (head, at) =>
    rotateHead(use, inverseFrequencies, head, at),
  );
  const last = Float32Array.from(query, (value) => value + random.normal(distance));
  const capacity = use.initial + use.selected + use.local;
  const isDense = position + rows <= capacity;
  const reuses = continues && wasReusable && cosine(query, last) >= use.similarity;
  const isDue = !isDense && !reuses;
  const firstOfStep = isDense ? position : isDue ? use.initial : use.initial + use.selected;
  const keep = Array<number>(use.selected).fill(7);
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(position, rows, 0, Number(continues), 0),
      queries,
      rope: table,
      last_query: last,
      selection: Uint32Array.of(Number(wasReusable), 9, 9, 9, ...keep),
      working: Uint32Array.of(9, 9, 9, 9, 9),
    }),
    outputs: () => ({
      query: { values: query },
      last_query: { values: isDue ? query : Float64Array.from(last) },
      selection: {
        storage: 'u32',
        values: Float64Array.of(
          Number(!isDense && rows === 1),
          Number(isDue),
          continues ? firstOfStep : 0,
          9,
          ...keep,
        ),
      },
      working: {
        storage: 'u32',
        values: Float64Array.of(isDense ? position : capacity - rows, rows, 9, 9, 9),
      },
    }),
  };
}

const long = { position: 100, rows: 1, continues: true };

export const selectionQueryCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a context that fits', { position: 12, rows: 1, continues: true }),
  toCase('the first pass of a long context', { position: 60, rows: 5 }),
  toCase('the first token after a pass', long),
  toCase('a similar query goes on', { ...long, wasReusable: true, distance: 0.1 }),
  toCase('another query selects', { ...long, wasReusable: true, distance: 1 }),
  toCase('written by the host', { position: 100, rows: 1, wasReusable: true, distance: 0 }),
  toCase('pairs, partly rotated', {
    ...long,
    change: { interleaved: true, headDim: 32, ropeDimensions: 16, heads: 9, kvHeads: 3 },
  }),
];
