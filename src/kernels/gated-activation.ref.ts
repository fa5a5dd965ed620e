import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { GatedActivationUse } from './gated-activation.ts';
import { activate } from './reference.ts';

/** y [tokens, yStride] in double precision; NaN in the padding, which stays as it is. */
export function gatedActivationReference(use: GatedActivationUse, x: Float32Array): Float64Array {
  const { columns, yStride, activation } = use;
  const tokens = x.length / (2 * columns);
  const y = new Float64Array(tokens * yStride).fill(Number.NaN);
  for (let token = 0; token < tokens; token += 1) {
    for (let i = 0; i < columns; i += 1) {
      const at = token * 2 * columns + i;
      y[token * yStride + i] = activate(activation, x[at] ?? 0) * (x[at + columns] ?? 0);
    }
  }
  return y;
}

function toCase(
  name: string,
  tokens: number,
  use: GatedActivationUse,
): KernelCase<GatedActivationUse> {
  const x = new Random(500 + tokens).activations(tokens * 2 * use.columns, 5);
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({ state: Uint32Array.of(1, tokens, 0, 0, 0), x }),
    outputs: () => ({
      y: { values: gatedActivationReference(use, x), storage: use.y ?? 'f32' },
    }),
  };
}

export const gatedActivationCases: readonly KernelCase<GatedActivationUse>[] = [
  toCase('SwiGLU, padded columns', 3, { activation: 'silu', columns: 172, yStride: 192 }),
  toCase('SwiGLU, many tokens', 65, { activation: 'silu', columns: 64, yStride: 64 }),
  toCase('stored in halves', 7, { activation: 'silu', columns: 128, yStride: 128, y: 'f16' }),
  toCase('GeGLU with large inputs', 9, { activation: 'gelu_tanh', columns: 96, yStride: 96 }),
];
