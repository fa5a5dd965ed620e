import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSelection, selectionUse } from '../testing/selection.ts';
import { keptOf, type SelectionUse } from './selection-use.ts';

/** Places of the `count` largest votes, ascending; of equal ones the first. */
export function topVotes(votes: readonly number[], count: number): number[] {
  return votes
    .map((vote, place) => ({ vote, place }))
    .sort((a, b) => b.vote - a.vote || a.place - b.place)
    .slice(0, count)
    .map(({ place }) => place)
    .sort((a, b) => a - b);
}

/** Cases of one size share a shader, which takes seconds to compile on a software adapter. */
const contextLength = 1020;
/** What stands where no candidate is: it would win. */
const noVote = 1e9;

function toCase(
  name: string,
  votes: readonly number[],
  { isDue = true, change = {} }: { isDue?: boolean; change?: Partial<SelectionUse> } = {},
): KernelCase<SelectionUse> {
  const use = selectionUse({ contextLength, ...change });
  const { initial, selected } = use;
  const cached = new Float32Array(contextLength).fill(noVote);
  cached.set(votes, initial);
  const tokens = topVotes([...Float32Array.from(votes)], selected).map((place) => place + initial);
  const header = [Number(isDue), 1, 9, 9] as const;
  const before = Array<number>(selected).fill(7);
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(initial + votes.length + keptOf(use) - 1, 1, 0, 0, 0),
      votes: cached,
      selections: packSelection(use, header, before),
    }),
    outputs: () => ({
      selections: {
        storage: 'u32',
        values: Float64Array.from(packSelection(use, header, isDue ? tokens : before)),
      },
    }),
  };
}

function randomVotes(count: number, spread: number): number[] {
  const random = new Random(1600 + count);
  return Array.from({ length: count }, () => Math.exp(random.normal(spread)));
}

export const selectionTopCases: readonly KernelCase<SelectionUse>[] = [
  toCase('as many as there are, and one', randomVotes(7, 1)),
  toCase('a selection that is kept', randomVotes(50, 1), { isDue: false }),
  toCase('votes of e^2', randomVotes(80, 2)),
  toCase('spread over many magnitudes', randomVotes(1000, 6)),
  toCase('votes that share their upper bits', randomVotes(777, 1e-4), {
    change: { selected: 100 },
  }),
  toCase('equal votes: the first', Array<number>(150).fill(0.25), { change: { selected: 100 } }),
  toCase(
    'the last one in has equals',
    Array.from({ length: 300 }, (_, i) => (i % 50 === 7 ? 3 : i % 3)),
    { change: { selected: 100 } },
  ),
  toCase('votes of zero', Array<number>(64).fill(0)),
];
