import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { padded } from '../testing/weights.ts';
import { rmsScale } from './reference.ts';
import type { RmsNormUse } from './rms-norm.ts';

/** Rows of y [tokens, padded columns] in double precision. */
export function rmsNormReference(
  use: RmsNormUse,
  x: Float32Array,
  weight: Float32Array,
  y?: Float32Array,
): Float64Array {
  const { columns, epsilon } = use;
  const stride = Math.ceil(columns / 32) * 32;
  const tokens = x.length / columns;
  const out = new Float64Array(tokens * stride);
  for (let token = 0; token < tokens; token += 1) {
    const row = x.subarray(token * columns, (token + 1) * columns);
    const scale = rmsScale(row, epsilon);
    row.forEach((value, i) => {
      const before = use.residual ? (y?.[token * columns + i] ?? 0) : 0;
      out[token * stride + i] = before + value * scale * (weight[i] ?? 0);
    });
  }
  return out;
}

function toCase(
  name: string,
  tokens: number,
  use: RmsNormUse,
  seed: number,
): KernelCase<RmsNormUse> {
  const random = new Random(seed);
  const x = random.activations(tokens * use.columns, 4);
  const weight = random.activations(use.columns);
  const y = random.activations(tokens * use.columns);
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(3, tokens, 0, 0, 0),
      x: padded(x, tokens),
      norm_weight: padded(weight),
      ...(use.residual ? { y: padded(y, tokens) } : {}),
    }),
    outputs: () => ({
      y: { values: rmsNormReference(use, x, weight, y), storage: use.y ?? 'f32' },
    }),
  };
}

export const rmsNormCases: readonly KernelCase<RmsNormUse>[] = [
  toCase('one short row', 1, { columns: 32, epsilon: 1e-5 }, 301),
  toCase('many rows', 37, { columns: 576, epsilon: 1e-5 }, 302),
  toCase('padded columns', 5, { columns: 172, epsilon: 1e-6 }, 303),
  toCase('stored in halves', 9, { columns: 172, epsilon: 1e-6, y: 'f16' }, 305),
  toCase('added to what is there', 17, { columns: 320, epsilon: 1e-6, residual: true }, 304),
];
