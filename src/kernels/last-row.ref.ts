import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import type { LastRowUse } from './last-row.ts';

function toCase(name: string, tokens: number, use: LastRowUse): KernelCase<LastRowUse> {
  const { columns } = use;
  const floats = new Random(900 + tokens).activations(tokens * columns, 3);
  const x = use.x === 'f16' ? roundedToHalf(floats) : floats;
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({
      state: Uint32Array.of(3, tokens, 0, 0, 0),
      x: use.x === 'f16' ? asHalves(x) : Float32Array.from(x),
    }),
    outputs: () => ({ y: { values: Float64Array.from(x.subarray((tokens - 1) * columns)) } }),
  };
}

export const lastRowCases: readonly KernelCase<LastRowUse>[] = [
  toCase('one row', 1, { columns: 96, x: 'f32' }),
  toCase('many rows', 37, { columns: 576, x: 'f32' }),
  toCase('halves', 65, { columns: 288, x: 'f16' }),
];
