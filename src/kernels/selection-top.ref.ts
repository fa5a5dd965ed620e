import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { selectionUse } from './selection-query.ref.ts';
import type { SelectionUse } from './selection-query.ts';

/** Places of the `count` largest votes, ascending; of equal ones the first. */
export function topVotes(votes: readonly number[], count: number): number[] {
  return votes
    .map((vote, place) => ({ vote, place }))
    .sort((a, b) => b.vote - a.vote || a.place - b.place)
    .slice(0, count)
    .map(({ place }) => place)
    .sort((a, b) => a - b);
}

function toCase(
  name: string,
  votes: readonly number[],
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse({ contextLength: votes.length + 20, ...change });
  const { initial, selected, local } = use;
  const cached = new Float32Array(use.contextLength);
  cached.set(votes, initial);
  const tokens = topVotes([...Float32Array.from(votes)], selected).map((place) => place + initial);
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(initial + votes.length + local - 1, 1, 0, 0, 0),
      votes: cached,
      selection: Uint32Array.of(1, 1, 0, 0, ...Array<number>(selected).fill(0)),
    }),
    outputs: () => ({
      selection: { storage: 'u32', values: Float64Array.of(1, 1, 0, 0, ...tokens) },
    }),
  };
}

function randomVotes(count: number, spread: number): number[] {
  const random = new Random(1600 + count);
  return Array.from({ length: count }, () => Math.exp(random.normal(spread)));
}

export const selectionTopCases: readonly KernelCase<SelectionUse>[] = [
  toCase('as many as there are', randomVotes(6, 1)),
  toCase('spread over many magnitudes', randomVotes(1000, 6)),
  toCase('votes that share their upper bits', randomVotes(777, 1e-4), { selected: 100 }),
  toCase('equal votes: the first', Array<number>(90).fill(0.25), { selected: 33 }),
  toCase(
    'the last one in has equals',
    Array.from({ length: 300 }, (_, i) => (i % 50 === 7 ? 3 : i % 3)),
    { selected: 40 },
  ),
  toCase('votes of zero', Array<number>(64).fill(0)),
];
