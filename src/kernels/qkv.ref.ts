import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { padded, randomMatrix } from '../testing/weights.ts';
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
];

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
    }),
    outputs: () => {
      const projected = matvecReference(
        { format, rows, columns, normEpsilon: use.normEpsilon, bias: use.bias },
        matrix.values,
        x,
        use.bias ? { norm, bias } : { norm },
      );
      const { queries, keys, values } = ropeReference(use, {
        qkv: Float32Array.from(projected),
        inverseFrequencies: angles.inverseFrequencies,
        magnitude: angles.magnitude,
        position,
        tokens: 1,
        qNorm: norm,
        kNorm: norm,
      });
      return {
        queries: { values: queries },
        k_cache: { values: keys, storage: use.kv },
        v_cache: { values, storage: use.kv },
      };
    },
  };
}

export const qkvCases: readonly KernelCase<QkvUse>[] = shapes.map((shape, i) =>
  toCase(shape, 900 + i),
);
