import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { selectionUse } from '../testing/selection.ts';
import { packScales } from './selection-scores.ref.ts';
import { capacityOf, type SelectionUse } from './selection-scores.ts';

/** Places of the `count` largest votes, ascending; of equal ones the first. */
export function topVotes(votes: readonly number[], count: number): number[] {
  return votes
    .map((vote, place) => ({ vote, place }))
    .sort((a, b) => b.vote - a.vote || a.place - b.place)
    .slice(0, count)
    .map(({ place }) => place)
    .sort((a, b) => a - b);
}

interface Situation {
  rows?: number;
  continues?: boolean;
  /** Does the pass select? */
  isDue?: boolean;
  change?: Partial<SelectionUse>;
}

function toCase(
  name: string,
  votes: readonly number[],
  { rows = 1, continues = false, isDue = true, change = {} }: Situation = {},
): KernelCase<SelectionUse> {
  const use = selectionUse({ contextLength: votes.length + 20, ...change });
  const { initial, selected, local } = use;
  const cached = new Float32Array(use.contextLength);
  cached.set(votes, initial);
  const tokens = topVotes([...Float32Array.from(votes)], selected).map((place) => place + initial);
  const position = initial + votes.length + local - rows;
  const isDense = votes.length <= selected;
  const random = new Random(1650 + votes.length);
  const queries = random.activations(rows * use.heads * use.headDim);
  const last = random.activations(use.heads * use.headDim);
  const firstOfStep = isDense ? position : initial + (isDue ? 0 : selected);
  const before = Array<number>(selected).fill(7);
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(position, rows, 0, Number(continues), 0),
      scales: packScales(isDue, []),
      votes: cached,
      queries,
      last_query: last,
      selection: Uint32Array.of(9, 9, 9, 9, ...before),
      working: Uint32Array.of(9, 9, 9, 9, 9),
    }),
    outputs: () => ({
      selection: {
        storage: 'u32',
        values: Float64Array.of(
          Number(!isDense && rows === 1),
          continues ? firstOfStep : 0,
          9,
          9,
          ...(isDue ? tokens : before),
        ),
      },
      last_query: {
        values: Float64Array.from(isDue && rows === 1 ? queries : last),
      },
      working: {
        storage: 'u32',
        values: Float64Array.of(isDense ? position : capacityOf(use) - rows, rows, 9, 9, 9),
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
  toCase('a context that fits', randomVotes(5, 1), { isDue: false, continues: true }),
  toCase('a selection that is kept', randomVotes(50, 1), { isDue: false, continues: true }),
  toCase('a pass of many tokens', randomVotes(80, 2), { rows: 5 }),
  toCase('spread over many magnitudes', randomVotes(1000, 6)),
  toCase('votes that share their upper bits', randomVotes(777, 1e-4), {
    change: { selected: 100 },
  }),
  toCase('equal votes: the first', Array<number>(90).fill(0.25), { change: { selected: 33 } }),
  toCase(
    'the last one in has equals',
    Array.from({ length: 300 }, (_, i) => (i % 50 === 7 ? 3 : i % 3)),
    { change: { selected: 40 }, continues: true },
  ),
  toCase('votes of zero', Array<number>(64).fill(0)),
];
