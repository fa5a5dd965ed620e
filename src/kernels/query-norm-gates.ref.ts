import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { QueryNormGatesUse } from './query-norm-gates.ts';

/** Gates [heads] of one token's queries [heads, headDim], in double precision. */
export function gatesOfQueries(
  { sharedHeads, active, headDim }: Pick<QueryNormGatesUse, 'sharedHeads' | 'active' | 'headDim'>,
  queries: ArrayLike<number>,
): number[] {
  const lengths = Array.from({ length: queries.length / headDim }, (_, head) => {
    const own = Array.from({ length: headDim }, (_, i) => queries[head * headDim + i] as number);
    return { head, square: own.reduce((sum, value) => sum + value * value, 0) };
  });
  const routed = lengths.slice(sharedHeads);
  const best = routed.sort((a, b) => b.square - a.square || a.head - b.head).slice(0, active);
  const on = new Set(best.map(({ head }) => head));
  return lengths.map(({ head }) => (head < sharedHeads || on.has(head) ? 1 : 0));
}

function toCase(
  name: string,
  tokens: number,
  use: QueryNormGatesUse,
  change: (queries: Float32Array) => void = () => undefined,
): KernelCase<QueryNormGatesUse> {
  const heads = use.sharedHeads + use.routedHeads;
  const width = heads * use.headDim;
  const queries = new Random(70 + tokens + use.headDim).activations(tokens * width);
  change(queries);
  const gates = Array.from({ length: tokens }, (_, row) =>
    gatesOfQueries(use, queries.subarray(row * width, (row + 1) * width)),
  );
  return {
    name,
    use,
    rows: tokens,
    inputs: () => ({ queries }),
    outputs: () => ({ gates: { values: Float64Array.from(gates.flat()) } }),
  };
}

export const queryNormGatesCases: readonly KernelCase<QueryNormGatesUse>[] = [
  toCase('one token', 1, { sharedHeads: 3, routedHeads: 6, active: 4, headDim: 64 }),
  toCase('many tokens', 37, { sharedHeads: 3, routedHeads: 6, active: 4, headDim: 64 }),
  toCase('32 heads', 2, { sharedHeads: 16, routedHeads: 16, active: 8, headDim: 128 }),
  toCase('every head on', 5, { sharedHeads: 1, routedHeads: 3, active: 3, headDim: 32 }),
  toCase('equal lengths', 3, { sharedHeads: 2, routedHeads: 6, active: 2, headDim: 32 }, (all) =>
    all.fill(0.5),
  ),
];
