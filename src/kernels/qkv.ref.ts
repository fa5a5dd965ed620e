import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, padded, randomMatrix } from '../testing/weights.ts';
import { packHeadWidths } from './head-widths.ts';
import { packedRows, project, randomBases, randomWidths } from './kv-project.ref.ts';
import { matvecReference } from './matvec.ref.ts';
import type { QkvUse } from './qkv.ts';
import { ropeReference } from './rope.ref.ts';
import { ropeTable } from './rope-table.ts';

interface Shape {
  name: string;
  format: string;
  columns: number;
  position: number;
  change?: Partial<QkvUse>;
}

const shapes: readonly Shape[] = [
  { name: 'halves', format: 'f32', columns: 64, position: 5 },
  {
    name: 'pairs, three KV heads, half-precision cache',
    format: 'q4_1',
    columns: 96,
    position: 19,
    change: { interleaved: true, heads: 9, kvHeads: 3, headDim: 64, ropeDimensions: 64, kv: 'f16' },
  },
  { name: 'bias', format: 'q8_0', columns: 64, position: 0, change: { bias: true, kvHeads: 1 } },
  {
    name: 'partial rotation, padded columns',
    format: 'f32',
    columns: 172,
    position: 33,
    change: { ropeDimensions: 8, headDim: 32 },
  },
  {
    name: 'on the way to the cache',
    format: 'q8_0',
    columns: 64,
    position: 7,
    change: { staged: true, interleaved: true },
  },
  {
    name: 'super-blocks',
    format: 'q6_k',
    columns: 256,
    position: 300,
    change: { contextLength: 301 },
  },
  {
    name: 'coefficients',
    format: 'q4_0',
    columns: 576,
    position: 11,
    change: { ragged: true, heads: 6, headDim: 32, ropeDimensions: 32 },
  },
  {
    name: 'coefficients, three KV heads, half-precision cache',
    format: 'q4_1',
    columns: 512,
    position: 3,
    change: { ragged: true, heads: 9, kvHeads: 3, headDim: 64, ropeDimensions: 64, kv: 'f16' },
  },
  {
    name: 'coefficients, bias, pairs',
    format: 'q8_0',
    columns: 64,
    position: 0,
    change: { ragged: true, bias: true, interleaved: true, headDim: 64, ropeDimensions: 64 },
  },
  {
    name: 'parts of coefficients',
    format: 'q4_0',
    columns: 576,
    position: 11,
    change: { ragged: true, parts: 4, heads: 6, headDim: 64, ropeDimensions: 64 },
  },
  {
    name: 'parts of coefficients, partial rotation, half-precision cache',
    format: 'q8_0',
    columns: 128,
    position: 3,
    change: {
      ragged: true,
      parts: 2,
      heads: 9,
      kvHeads: 3,
      headDim: 32,
      ropeDimensions: 16,
      kv: 'f16',
    },
  },
  {
    name: 'parts of coefficients, bias, pairs',
    format: 'q4_k',
    columns: 256,
    position: 0,
    change: {
      ragged: true,
      parts: 4,
      bias: true,
      interleaved: true,
      headDim: 64,
      ropeDimensions: 64,
    },
  },
];

/** What each of `parts` workgroups adds to the coefficients of queries and keys: [parts, heads + kvHeads, headDim]. */
function inParts(
  { heads, kvHeads, headDim, contextLength, ropeDimensions, interleaved, parts = 1 }: QkvUse,
  bases: Float32Array,
  { queries, keys }: ReturnType<typeof ropeReference>,
  position: number,
): Float64Array<ArrayBuffer> {
  const turned = interleaved ? 0 : ropeDimensions / 8;
  // Two quads that turn with each other are one workgroup's.
  const unitOf = (component: number) => {
    const quad = Math.floor(component / 4);
    if (quad < 2 * turned) return quad % turned;
    return Math.floor(quad / 2);
  };
  const partOf = (component: number) => Math.floor((unitOf(component) * 8 * parts) / headDim);
  const all = heads + kvHeads;
  const made = new Float64Array(parts * all * headDim);
  for (let head = 0; head < all; head += 1) {
    const isQuery = head < heads;
    const kvHead = isQuery ? Math.floor((head * kvHeads) / heads) : head - heads;
    const at = isQuery ? head * headDim : (kvHead * contextLength + position) * headDim;
    const row = (isQuery ? queries : keys).subarray(at, at + headDim);
    row.forEach((value, i) => {
      for (let j = 0; j < headDim; j += 1) {
        const to = (partOf(i) * all + head) * headDim + j;
        const along = bases[(kvHead * headDim + j) * headDim + i] ?? 0;
        made[to] = (made[to] ?? 0) + value * along;
      }
    });
  }
  return made;
}

/** What a narrow cache keeps of the token, and what is asked of it. */
function narrowed(
  use: QkvUse,
  bases: Float32Array,
  { queries, keys, values }: ReturnType<typeof ropeReference>,
): Record<'queries' | 'k_cache' | 'v_cache', Float64Array<ArrayBuffer>> {
  const { heads, kvHeads, headDim, contextLength } = use;
  const widths = randomWidths(use);
  const coefficients = (rows: Float64Array<ArrayBuffer>, perHead: number) => {
    const made = Float64Array.from(rows);
    for (let i = 0; i < rows.length / headDim; i += 1) {
      const kvHead = Math.floor(i / perHead);
      const basis = bases.subarray(kvHead * headDim ** 2, (kvHead + 1) * headDim ** 2);
      const row = rows.subarray(i * headDim, (i + 1) * headDim);
      made.set(project(Float64Array.from(basis), row, widths[kvHead]?.keys ?? 0), i * headDim);
    }
    return made;
  };
  return {
    queries: coefficients(queries, heads / kvHeads),
    k_cache: packedRows(use, widths, coefficients(keys, contextLength), 'keys'),
    v_cache: packedRows(use, widths, values, 'values'),
  };
}

/** The projection of matvec's reference, then the rotation of rope's. */
function toCase(
  { name, format: formatName, columns, position, change }: Shape,
  seed: number,
): KernelCase<QkvUse> {
  const format = quantFormat(formatName);
  const use: QkvUse = {
    format,
    columns,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    contextLength: 40,
    ropeDimensions: 16,
    interleaved: false,
    kv: 'f32',
    normEpsilon: 1e-5,
    bias: false,
    ...change,
  };
  const random = new Random(seed);
  const rows = (use.heads + 2 * use.kvHeads) * use.headDim;
  const matrix = randomMatrix(format, rows, columns, seed);
  const x = random.activations(columns, 1);
  const norm = random.activations(columns);
  const bias = random.activations(rows);
  const bases = randomBases(use.ragged ? use.kvHeads : 0, use.headDim, seed + 50);
  const angles = {
    dimensions: use.ropeDimensions,
    interleaved: use.interleaved,
    factorsTensor: null,
    magnitude: 1.1,
    inverseFrequencies: Float64Array.from(
      { length: use.ropeDimensions / 2 },
      (_, i) => 10_000 ** ((-2 * i) / use.ropeDimensions),
    ),
  };
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(position, 1, 0, 0, 0),
      weights: matrix.gpu,
      x: padded(x),
      norm_weight: padded(norm),
      rope: ropeTable(angles, use.contextLength),
      ...(use.bias ? { bias } : {}),
      ...(use.ragged
        ? { basis: asHalves(bases), head_widths: packHeadWidths(randomWidths(use)) }
        : {}),
    }),
    outputs: () => {
      const projected = matvecReference(
        { format, rows, columns, normEpsilon: use.normEpsilon, bias: use.bias },
        matrix.values,
        x,
        use.bias ? { norm, bias } : { norm },
      );
      const rotated = ropeReference(use, {
        qkv: Float32Array.from(projected),
        inverseFrequencies: angles.inverseFrequencies,
        magnitude: angles.magnitude,
        position,
        tokens: 1,
        qNorm: norm,
        kNorm: norm,
      });
      const { queries, k_cache, v_cache } = use.ragged
        ? narrowed(use, bases, rotated)
        : { queries: rotated.queries, k_cache: rotated.keys, v_cache: rotated.values };
      if (use.parts) {
        return {
          queries: { values: inParts(use, bases, rotated, position) },
          v_cache: { values: v_cache, storage: use.kv },
        };
      }
      return {
        queries: { values: queries },
        k_cache: { values: k_cache, storage: use.kv },
        v_cache: { values: v_cache, storage: use.kv },
      };
    },
  };
}

export const qkvCases: readonly KernelCase<QkvUse>[] = shapes.map((shape, i) =>
  toCase(shape, 900 + i),
);
