import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSelection, selectionUse } from '../testing/selection.ts';
import { keptOf, type SelectionUse, selectionStrips, voteReach } from './selection-use.ts';

/** The head soft vote: for each candidate the sum over heads of the softmax of its score. */
export function softVotes(scores: readonly (readonly number[])[]): number[] {
  const votes = Array<number>(scores[0]?.length ?? 0).fill(0);
  for (const own of scores) {
    const largest = Math.max(...own);
    const total = own.reduce((sum, score) => sum + Math.exp(score - largest), 0);
    own.forEach((score, i) => {
      votes[i] = (votes[i] ?? 0) + Math.exp(score - largest) / total;
    });
  }
  return votes;
}

/** For each candidate the largest vote of those at most `voteReach` tokens away. */
export function reachingVotes(votes: readonly number[]): number[] {
  return votes.map((_, i) =>
    Math.max(...votes.slice(Math.max(0, i - voteReach), i + voteReach + 1)),
  );
}

function toCase(
  name: string,
  candidates: number,
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const { heads, contextLength, initial, selected } = use;
  const random = new Random(1500 + candidates);
  const scores = new Float32Array(heads * contextLength);
  const strips = new Float32Array(heads * selectionStrips * 2);
  const span = Math.ceil(candidates / selectionStrips);
  const byHead = Array.from({ length: heads }, (_, head) => {
    const own = Array.from({ length: candidates }, () => Math.fround(random.normal(3)));
    scores.set(own, head * contextLength + initial);
    for (let strip = 0; strip < selectionStrips; strip += 1) {
      const part = own.slice(strip * span, (strip + 1) * span);
      const largest = Math.max(-3e38, ...part);
      const total = part.reduce((sum, score) => sum + Math.exp(score - largest), 0);
      strips.set([largest, total], (head * selectionStrips + strip) * 2);
    }
    return own;
  });
  const votes = new Float64Array(contextLength).fill(Number.NaN);
  votes.set(reachingVotes(softVotes(byHead)), initial);
  return {
    name,
    use,
    rows: 2,
    inputs: () => ({
      state: Uint32Array.of(initial + candidates + keptOf(use) - 2, 2, 0, 0, 0),
      selections: packSelection(use, [1, 0, 0, 0], [...Array<number>(selected).fill(0)]),
      scores,
      strips,
    }),
    outputs: () => ({ votes: { values: votes } }),
  };
}

export const selectionVotesCases: readonly KernelCase<SelectionUse>[] = [
  toCase('fewer candidates than strips', 20),
  toCase('several workgroups', 600, { contextLength: 700 }),
  toCase('many heads', 100, { heads: 40, kvHeads: 8 }),
];
