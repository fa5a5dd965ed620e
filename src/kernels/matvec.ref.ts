import { quantFormat } from '../quant/registry.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { padded, randomMatrix } from '../testing/weights.ts';
import { randomGates } from './head-rows.ref.ts';
import { headShares } from './head-summand.ts';
import type { MatvecUse } from './matvec.ts';
import { activate, dotRow, rmsScale } from './reference.ts';

/** y = weights · x in double precision, with everything that the kernel can fuse. */
export function matvecReference(
  use: MatvecUse,
  weights: Float64Array,
  x: Float32Array,
  extra: { norm?: Float32Array; bias?: Float32Array; y?: Float32Array } = {},
): Float64Array {
  const { rows, columns } = use;
  const { norm } = extra;
  const input = Float64Array.from(x, (value, k) => value * (norm?.[k] ?? 1));
  const rms = use.normEpsilon === undefined ? 1 : rmsScale(x, use.normEpsilon);
  return Float64Array.from({ length: rows }, (_, row) => {
    const sum = dotRow(weights, row, input, columns) * rms + (extra.bias?.[row] ?? 0);
    const gated = use.gated
      ? activate(use.gated, sum) * dotRow(weights, row + rows, input, columns) * rms
      : sum;
    return gated + (use.residual ? (extra.y?.[row + (use.yOffset ?? 0)] ?? 0) : 0);
  });
}

interface Shape {
  name: string;
  format: string;
  rows: number;
  columns: number;
  change?: Partial<MatvecUse>;
  /** The row of x that is used, of as many as there are. */
  pass?: { rows: number };
}

const shapes: readonly Shape[] = [
  { name: 'one row', format: 'f32', rows: 1, columns: 32 },
  { name: 'ragged: a prime of rows, padded columns', format: 'f32', rows: 67, columns: 172 },
  { name: 'tile − 1', format: 'q4_0', rows: 63, columns: 576 },
  { name: 'tile', format: 'q4_1', rows: 64, columns: 1536 },
  { name: 'tile + 1', format: 'q8_0', rows: 65, columns: 192 },
  { name: 'half precision', format: 'f16', rows: 40, columns: 96 },
  { name: 'brain float', format: 'bf16', rows: 40, columns: 96 },
  { name: 'super-blocks', format: 'q4_k', rows: 33, columns: 512 },
  { name: 'super-blocks of 6 bits', format: 'q6_k', rows: 33, columns: 256 },
  { name: 'super-blocks of 5 bits', format: 'q5_k', rows: 33, columns: 768 },
  { name: 'super-blocks of 3 bits', format: 'q3_k', rows: 33, columns: 256 },
  { name: 'super-blocks of 2 bits', format: 'q2_k', rows: 33, columns: 512 },
  { name: 'five bits', format: 'q5_0', rows: 33, columns: 160 },
  { name: 'five bits and a minimum', format: 'q5_1', rows: 33, columns: 96 },
  { name: 'levels', format: 'iq4_nl', rows: 33, columns: 160 },
  { name: 'norm', format: 'q4_0', rows: 50, columns: 576, change: { normEpsilon: 1e-5 } },
  { name: 'norm, padded', format: 'f32', rows: 50, columns: 172, change: { normEpsilon: 1e-5 } },
  {
    name: 'norm, bias, offset',
    format: 'q4_1',
    rows: 37,
    columns: 320,
    change: { normEpsilon: 1e-6, bias: true, yOffset: 19 },
  },
  {
    name: 'gated heads',
    format: 'q4_0',
    rows: 70,
    columns: 512,
    change: { residual: true, headColumns: 64 },
  },
  { name: 'residual', format: 'q8_0', rows: 101, columns: 256, change: { residual: true } },
  {
    name: 'norm, SwiGLU',
    format: 'q4_0',
    rows: 53,
    columns: 192,
    change: { normEpsilon: 1e-5, gated: 'silu' },
  },
  { name: 'GeGLU', format: 'f32', rows: 20, columns: 64, change: { gated: 'gelu_tanh' } },
  {
    name: 'summands, norm, SwiGLU',
    format: 'q4_0',
    rows: 53,
    columns: 192,
    change: { normEpsilon: 1e-5, gated: 'silu', summands: 3 },
  },
  {
    name: 'summands of shared heads',
    format: 'q4_0',
    rows: 53,
    columns: 192,
    change: { normEpsilon: 1e-5, gated: 'silu', summands: 3, shared: true },
  },
  {
    name: 'last row of a pass, norm',
    format: 'q8_0',
    rows: 70,
    columns: 224,
    change: { normEpsilon: 1e-5, lastRow: true },
    pass: { rows: 3 },
  },
];

/** What a summand of a shared head counts, by (maximum, sum) of each; 1 where heads are not shared. */
function weightOf(scales: Float32Array, summand: number): number {
  if (scales.length === 0) return 1;
  const first = summand - (summand % headShares);
  const total = (base: number) =>
    Array.from({ length: headShares }, (_, i) => first + i).reduce(
      (sum, i) => sum + 2 ** ((scales[2 * i] ?? 0) - base) * (scales[2 * i + 1] ?? 0),
      0,
    );
  return 1 / total(scales[2 * summand] ?? 0);
}

function toCase(shape: Shape, seed: number): KernelCase<MatvecUse> {
  const { rows, columns, change = {} } = shape;
  const format = quantFormat(shape.format);
  const use: MatvecUse = { format, rows, columns, ...change };
  const random = new Random(seed);
  const passRows = shape.pass?.rows ?? 1;
  const matrix = randomMatrix(format, use.gated ? rows * 2 : rows, columns, seed);
  const x = random.activations(columns * passRows, 2);
  const norm = random.activations(columns);
  const bias = random.activations(rows);
  const y = random.activations(rows + (use.yOffset ?? 0));
  const rowsAdded = (use.summands ?? 0) * (use.shared ? headShares : 1);
  const summands = random.activations(columns * rowsAdded);
  const scales = Float32Array.from({ length: use.shared ? 2 * rowsAdded : 0 }, (_, i) =>
    i % 2 === 0 ? random.normal(3) : random.uniform(1, 50),
  );
  const gates = use.headColumns ? randomGates(columns / use.headColumns) : undefined;
  const sum = x.map((value, k) => {
    let total = value;
    for (let at = k; at < summands.length; at += columns) {
      total += (summands[at] ?? 0) * weightOf(scales, Math.floor(at / columns));
    }
    return total;
  });
  // Columns that are passed over are not zero here, so that reading them shows.
  const last = sum
    .slice(columns * (passRows - 1))
    .map((value, k) => (gates?.[Math.floor(k / (use.headColumns ?? 1))] === 0 ? 0 : value));
  return {
    name: shape.name,
    use,
    rows: 1,
    inputs: () => ({
      weights: matrix.gpu,
      x: padded(x, passRows),
      ...(use.normEpsilon === undefined ? {} : { norm_weight: padded(norm) }),
      ...(use.bias ? { bias } : {}),
      ...(use.residual ? { y } : {}),
      ...(gates ? { gates } : {}),
      ...(use.summands ? { summands: Float32Array.of(...summands, ...scales) } : {}),
      ...(use.lastRow ? { state: Uint32Array.of(0, passRows, 0, 0, 0) } : {}),
    }),
    outputs: () => {
      const given = {
        ...(use.normEpsilon === undefined ? {} : { norm }),
        bias: use.bias ? bias : new Float32Array(rows),
        y,
      };
      const result = matvecReference(use, matrix.values, last, given);
      const before = new Float64Array(use.yOffset ?? 0).fill(Number.NaN);
      return {
        y: { values: Float64Array.of(...before, ...result) },
        ...(use.summands ? { x_sum: { values: Float64Array.from(sum) } } : {}),
      };
    },
  };
}

export const matvecCases: readonly KernelCase<MatvecUse>[] = shapes.map((shape, index) =>
  toCase(shape, 100 + index),
);
