import { type Candidate, packCandidates, randomCandidates } from '../testing/boxes.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { RankBoxesUse } from './rank-boxes.ts';

export function rankBoxesReference(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort((a, b) => b.score - a.score || a.cell - b.cell);
}

function toCase(
  name: string,
  found: number,
  capacity: number,
  seed: number,
): KernelCase<RankBoxesUse> {
  const candidates = randomCandidates(new Random(seed), Math.min(found, capacity));
  const untouched = (value: number, i: number): number =>
    i < candidates.length * 8 ? value : Number.NaN;
  return {
    name,
    use: { capacity },
    rows: 1,
    inputs: () => ({
      count: Uint32Array.of(found, 0, 0, 0),
      candidates: packCandidates(candidates, capacity),
    }),
    outputs: () => {
      const packed = packCandidates(rankBoxesReference(candidates), capacity);
      return { ranked: { values: Float64Array.from(packed, untouched) } };
    },
  };
}

export const rankBoxesCases: readonly KernelCase<RankBoxesUse>[] = [
  toCase('none', 0, 32, 831),
  toCase('one', 1, 32, 832),
  toCase('many with ties', 201, 256, 833),
  toCase('more than there is room for', 80, 64, 834),
];
