import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, padded, randomMatrix, roundedToHalf } from '../testing/weights.ts';
import { type MatmulUse, matmulTokens } from './matmul.ts';
import type { Activation } from './matvec.ts';
import { activate, dotRow } from './reference.ts';

/** y[tokens, rows] in double precision; NaN where the kernel must not write. */
export function matmulReference(
  use: MatmulUse,
  weights: Float64Array,
  x: Float32Array,
  tokens: number,
  extra: { bias?: Float32Array; y?: Float32Array } = {},
): Float64Array {
  const { rows, columns, yStride, yOffset = 0 } = use;
  const y = new Float64Array(tokens * yStride).fill(Number.NaN);
  for (let token = 0; token < tokens; token += 1) {
    const input = x.subarray(token * columns, (token + 1) * columns);
    for (let row = 0; row < rows; row += 1) {
      const at = token * yStride + yOffset + row;
      const added = (extra.bias?.[row] ?? 0) + (extra.y?.[at] ?? 0);
      y[at] = dotRow(weights, row, input, columns) + added;
    }
  }
  return y;
}

/** y[tokens, yStride] of gates and ups [tokens, rows]; NaN where the kernel must not write. */
export function gatedMatmulReference(
  { rows, yStride, gated = 'silu' }: MatmulUse,
  products: Float64Array,
): Float64Array {
  const tokens = products.length / rows;
  const y = new Float64Array(tokens * yStride).fill(Number.NaN);
  for (let token = 0; token < tokens; token += 1) {
    for (let i = 0; i < rows / 2; i += 1) {
      const gate = token * rows + i;
      y[token * yStride + i] =
        activate(gated, products[gate] ?? 0) * (products[gate + rows / 2] ?? 0);
    }
  }
  return y;
}

interface Shape {
  name: string;
  format: string;
  tokens: number;
  rows: number;
  columns: number;
  yStride?: number;
  yOffset?: number;
  x?: 'f32' | 'f16';
  bias?: boolean;
  residual?: boolean;
  gated?: Activation;
}

const shapes: readonly Shape[] = [
  { name: 'one token', format: 'f32', tokens: 1, rows: 5, columns: 32 },
  { name: 'tile − 1', format: 'q4_0', tokens: 63, rows: 63, columns: 96 },
  { name: 'tile', format: 'q8_0', tokens: 64, rows: 64, columns: 64 },
  { name: 'tile + 1', format: 'q4_1', tokens: 65, rows: 65, columns: 64 },
  { name: 'primes, padded columns', format: 'f32', tokens: 13, rows: 101, columns: 172 },
  { name: 'super-blocks', format: 'q6_k', tokens: 9, rows: 40, columns: 256 },
  {
    name: 'into a part of a wider row, with bias',
    format: 'q4_0',
    tokens: 11,
    rows: 48,
    columns: 128,
    yStride: 96,
    yOffset: 32,
    bias: true,
  },
  { name: 'residual', format: 'f16', tokens: 17, rows: 64, columns: 64, residual: true },
];

const halfShapes: readonly Shape[] = [
  { name: 'one token', format: 'q4_0', tokens: 1, rows: 5, columns: 32 },
  { name: 'tile − 1, many groups', format: 'q8_0', tokens: 127, rows: 112, columns: 320 },
  { name: 'tile + 1, many groups', format: 'q4_1', tokens: 129, rows: 144, columns: 288 },
  { name: 'primes, padded columns', format: 'f32', tokens: 13, rows: 101, columns: 172 },
  { name: 'long sums', format: 'f16', tokens: 70, rows: 80, columns: 1120, residual: true },
  {
    name: 'with bias, many groups',
    format: 'q4_0',
    tokens: 40,
    rows: 48,
    columns: 352,
    yStride: 96,
    yOffset: 32,
    bias: true,
  },
  { name: 'super-blocks', format: 'q6_k', tokens: 65, rows: 48, columns: 256 },
];

/** For adapters with subgroup matrices alone. */
const gatedShapes: readonly Shape[] = [
  { name: 'gated, one token', format: 'q4_0', tokens: 1, rows: 32, columns: 32, gated: 'silu' },
  { name: 'gated, tile + 1', format: 'q4_1', tokens: 129, rows: 288, columns: 96, gated: 'silu' },
  {
    name: 'gated, padded outputs',
    format: 'q8_0',
    tokens: 70,
    rows: 224,
    columns: 64,
    yStride: 128,
    gated: 'gelu_tanh',
  },
  { name: 'gated, long sums', format: 'q4_0', tokens: 90, rows: 96, columns: 1120, gated: 'silu' },
];

function toCase(shape: Shape, seed: number): KernelCase<MatmulUse> {
  const { tokens, rows, columns } = shape;
  const format = quantFormat(shape.format);
  const random = new Random(seed);
  const use: MatmulUse = {
    format,
    rows,
    columns,
    x: shape.x ?? 'f32',
    yStride: shape.yStride ?? (shape.gated ? rows / 2 : rows),
    ...(shape.yOffset ? { yOffset: shape.yOffset } : {}),
    ...(shape.bias ? { bias: true } : {}),
    ...(shape.residual ? { residual: true } : {}),
    ...(shape.gated ? { gated: shape.gated } : {}),
  };
  const half = use.x === 'f16';
  const matrix = randomMatrix(format, rows, columns, seed);
  // What is activated has to fit into halves.
  const floats = random.activations(tokens * columns, use.gated ? 0 : 3);
  const x = half ? roundedToHalf(floats) : floats;
  const bias = random.activations(rows);
  const room = half ? Math.ceil(tokens / matmulTokens) * matmulTokens : tokens;
  const y = random.activations(room * use.yStride);
  return {
    name: half ? `${shape.name}, halves` : shape.name,
    use,
    ...(half ? { tolerance: { nmse: 1e-6, because: 'weights are rounded to halves' } } : {}),
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(7, tokens, 0, 0, 0),
      weights: matrix.gpu,
      x: half ? asHalves(padded(x, tokens)) : padded(x, tokens),
      ...(use.bias ? { bias } : {}),
      ...(use.residual ? { y } : {}),
    }),
    outputs: () => ({
      y: use.gated
        ? {
            values: gatedMatmulReference(
              use,
              matmulReference({ ...use, yStride: rows }, matrix.values, x, tokens),
            ),
            storage: 'f16',
          }
        : {
            values: matmulReference(use, matrix.values, x, tokens, {
              ...(use.bias ? { bias } : {}),
              ...(use.residual ? { y } : {}),
            }),
            ...(half ? { room: room * use.yStride } : {}),
          },
    }),
  };
}

const inHalves = (shape: Shape): Shape => ({ ...shape, x: 'f16' });

export const matmulCases: readonly KernelCase<MatmulUse>[] = [
  ...shapes,
  ...halfShapes.map(inHalves),
].map((shape, index) => toCase(shape, 200 + index));

export const gatedMatmulCases: readonly KernelCase<MatmulUse>[] = gatedShapes.map((shape, index) =>
  toCase(inHalves(shape), 240 + index),
);
