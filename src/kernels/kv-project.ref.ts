import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import { type KeptWidths, packHeadWidths, packLayerWidths } from './head-widths.ts';
import { type KvProjectUse, stagedBytes } from './kv-project.ts';

type CacheShape = Pick<KvProjectUse, 'kvHeads' | 'headDim' | 'contextLength'>;

/** Orthonormal vectors [headDim, headDim], row by row, of one head. */
export type Basis = Float64Array;

/** Coefficients of the first `width` vectors, and zeros for the others. */
export function project(basis: Basis, head: Float64Array, width: number): Float64Array {
  const dim = head.length;
  return Float64Array.from({ length: dim }, (_, j) =>
    j < width ? head.reduce((sum, value, i) => sum + value * (basis[j * dim + i] ?? 0), 0) : 0,
  );
}

/** The sum of vectors with these coefficients. */
export function unproject(basis: Basis, coefficients: Float64Array): Float64Array {
  const dim = coefficients.length;
  return Float64Array.from({ length: dim }, (_, i) =>
    coefficients.reduce((sum, value, j) => sum + value * (basis[j * dim + i] ?? 0), 0),
  );
}

/** Random orthonormal vectors, as a file holds them: Gram–Schmidt, then halves. */
export function randomBases(heads: number, dim: number, seed: number): Float32Array<ArrayBuffer> {
  const random = new Random(seed);
  const bases = new Float32Array(heads * dim * dim);
  for (let head = 0; head < heads; head += 1) {
    const vectors: Float64Array[] = [];
    for (let j = 0; j < dim; j += 1) {
      let vector = Float64Array.from(random.activations(dim));
      for (const other of vectors) {
        const along = dot(vector, other);
        vector = vector.map((value, i) => value - along * (other[i] ?? 0));
      }
      const length = Math.sqrt(dot(vector, vector));
      vectors.push(vector.map((value) => value / length));
    }
    vectors.forEach((vector, j) => {
      bases.set(vector, (head * dim + j) * dim);
    });
  }
  return roundedToHalf(bases) as Float32Array<ArrayBuffer>;
}

/** Widths of every head from an eighth to a whole one, keys and values apart. */
export function randomWidths({ kvHeads, headDim }: CacheShape): KeptWidths[] {
  const random = new Random(40 + kvHeads);
  const width = () => ((1 + (random.uint32() % 8)) * headDim) / 8;
  return Array.from({ length: kvHeads }, () => ({ keys: width(), values: width() }));
}

/** Whole rows [kvHeads, contextLength, headDim] with zeros beyond the widths. */
export function raggedRows(
  { headDim, contextLength }: CacheShape,
  widths: readonly KeptWidths[],
  rows: Float32Array<ArrayBuffer>,
  part: 'keys' | 'values',
): Float32Array<ArrayBuffer> {
  return rows.map((value, i) => {
    const width = widths[Math.floor(i / (headDim * contextLength))]?.[part] ?? 0;
    return i % headDim < width ? value : 0;
  });
}

/** The same without what is beyond the widths: as the cache holds them. */
export function packedRows<Rows extends Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>>(
  { headDim, contextLength }: CacheShape,
  widths: readonly KeptWidths[],
  rows: Rows,
  part: 'keys' | 'values',
): Rows {
  const kept = (_: number, i: number) =>
    i % headDim < (widths[Math.floor(i / (headDim * contextLength))]?.[part] ?? 0);
  return rows.filter(kept) as Rows;
}

/** Of a layer alone, or of the second of two that keep the same. */
export function headWidthsOf(
  shape: Pick<KvProjectUse, 'kvHeads' | 'headDim'>,
  kept: readonly KeptWidths[],
  isSecond: boolean,
): Uint32Array<ArrayBuffer> {
  if (!isSecond) return packHeadWidths(kept);
  const both = packLayerWidths(shape, [
    { layer: 0, kept },
    { layer: 1, kept },
  ]);
  return both.slice(both.length / 2);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

/** `isSecond`: the cache has the rows of two layers, and these are the second one's. */
function toCase(
  name: string,
  change: Partial<KvProjectUse>,
  position: number,
  tokens: number,
  isSecond = false,
): KernelCase<KvProjectUse> {
  const use: KvProjectUse = {
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    contextLength: position + tokens + 3,
    kv: 'f32',
    stagedRows: tokens + 2,
    ...change,
  };
  const { heads, kvHeads, headDim, stagedRows, contextLength } = use;
  const random = new Random(1500 + position);
  const queries = random.activations(tokens * heads * headDim);
  const keys = random.activations(kvHeads * stagedRows * headDim);
  const values = random.activations(kvHeads * stagedRows * headDim, 2);
  const bases = randomBases(kvHeads, headDim, 1501);
  const widths = randomWidths(use);
  const staged = new Float32Array((stagedBytes(use).keys * 2) / 4);
  staged.set(keys);
  staged.set(values, stagedBytes(use).keys / 4);
  const basisOf = (i: number) =>
    Float64Array.from(bases.subarray(i * headDim * headDim, (i + 1) * headDim * headDim));
  const headOf = (from: Float32Array, i: number) =>
    Float64Array.from(from.subarray(i * headDim, (i + 1) * headDim));
  const narrowQueries = () => {
    const narrow = new Float64Array(queries.length);
    for (let i = 0; i < tokens * heads; i += 1) {
      const kvHead = Math.floor((i % heads) / (heads / kvHeads));
      const width = widths[kvHead]?.keys ?? 0;
      narrow.set(project(basisOf(kvHead), headOf(queries, i), width), i * headDim);
    }
    return narrow;
  };
  /** What the pass leaves in a cache; NaN where nothing is written. */
  const cacheOf = (part: keyof KeptWidths, from: Float32Array) => {
    const rows = new Float64Array(kvHeads * contextLength * headDim).fill(Number.NaN);
    for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
      for (let token = 0; token < tokens; token += 1) {
        const row = headOf(from, kvHead * stagedRows + token);
        const width = widths[kvHead]?.keys ?? 0;
        const slot = use.staged ? token : position + token;
        const kept = part === 'keys' ? project(basisOf(kvHead), row, width) : row;
        rows.set(kept, (kvHead * contextLength + slot) * headDim);
      }
    }
    const own = packedRows(use, widths, rows, part);
    const isBehind = isSecond && !use.staged;
    return Float64Array.of(
      ...(isBehind ? new Float64Array(own.length).fill(Number.NaN) : []),
      ...own,
    );
  };
  const hasQueries = heads > 0;
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(position, tokens, 0, 0, 0),
      ...(hasQueries ? { queries } : {}),
      staged,
      basis: asHalves(bases),
      head_widths: headWidthsOf(use, widths, isSecond),
    }),
    outputs: () => ({
      ...(hasQueries ? { narrow_queries: { values: narrowQueries() } } : {}),
      k_cache: { values: cacheOf('keys', keys), storage: use.kv },
      v_cache: { values: cacheOf('values', values), storage: use.kv },
    }),
  };
}

export const kvProjectCases: readonly KernelCase<KvProjectUse>[] = [
  toCase('a step', {}, 12, 1),
  toCase('a pass, three KV heads, halves', { heads: 9, kvHeads: 3, headDim: 64, kv: 'f16' }, 0, 5),
  toCase('on the way to a packed cache', { staged: true }, 30, 3),
  toCase('of the second of two layers, without queries', { heads: 0, kv: 'f16' }, 12, 3, true),
  toCase('likewise, on the way to a packed cache', { heads: 0, staged: true }, 12, 3, true),
  toCase('a pass behind a cache, no groups', { heads: 2, kvHeads: 2 }, 30, 4),
];
