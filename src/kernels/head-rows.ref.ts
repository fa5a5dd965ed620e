import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { HeadRowsUse } from './head-rows.ts';

/** Half of the heads off, the others around 1. */
export function randomGates(count: number): Float32Array<ArrayBuffer> {
  const random = new Random(77 + count);
  return Float32Array.from({ length: count }, () =>
    random.uint32() % 2 === 0 ? 0 : random.uniform(0.5, 1.5),
  );
}

/** [heads]: the number of tokens that have the head on; then [heads, tokens]: those tokens, then the others. */
export function headRowsReference(
  gates: ArrayLike<number>,
  heads: number,
): Uint32Array<ArrayBuffer> {
  const tokens = gates.length / heads;
  const all = Array.from({ length: tokens }, (_, token) => token);
  const lists = Array.from({ length: heads }, (_, head) => {
    const isOn = (token: number) => gates[token * heads + head] !== 0;
    const on = all.filter(isOn);
    return { on: on.length, rows: [...on, ...all.filter((token) => !isOn(token))] };
  });
  return Uint32Array.from([...lists.map(({ on }) => on), ...lists.flatMap(({ rows }) => rows)]);
}

function toCase(
  name: string,
  heads: number,
  gates: Float32Array<ArrayBuffer>,
  mostTokens = gates.length / heads,
): KernelCase<HeadRowsUse> {
  const tokens = gates.length / heads;
  return {
    name,
    use: { heads, mostTokens },
    rows: tokens,
    inputs: () => ({ state: Uint32Array.of(9, tokens, 0, 0, 0), gates }),
    outputs: () => ({
      head_rows: { storage: 'u32', values: Float64Array.from(headRowsReference(gates, heads)) },
    }),
  };
}

export const headRowsCases: readonly KernelCase<HeadRowsUse>[] = [
  toCase('half of the heads on', 8, randomGates(8 * 70)),
  toCase('fewer tokens than there is room for', 5, randomGates(5 * 70), 700),
  toCase('more tokens than invocations', 3, randomGates(3 * 600)),
  toCase('all on', 2, new Float32Array(2 * 33).fill(1)),
  toCase('none on', 2, new Float32Array(2 * 5)),
];
