import { type Candidate, packCandidates, randomCandidates } from '../testing/boxes.ts';
import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { boxOverlapsReference, hides } from './box-overlaps.ref.ts';
import type { KeepBoxesUse } from './keep-boxes.ts';
import { rankBoxesReference } from './rank-boxes.ref.ts';

/** Greedy suppression straight from its definition, without any bits. */
export function keepBoxesReference(
  ranked: readonly Candidate[],
  overlap: number,
  limit: number,
): Candidate[] {
  const kept: Candidate[] = [];
  for (const candidate of ranked) {
    if (kept.length === limit) break;
    if (!kept.some((better) => hides(better, candidate, overlap))) kept.push(candidate);
  }
  return kept;
}

function toCase(
  name: string,
  found: number,
  use: KeepBoxesUse,
  seed: number,
): KernelCase<KeepBoxesUse> {
  const overlap = 0.45;
  const room = Math.min(found, use.capacity);
  const ranked = rankBoxesReference(randomCandidates(new Random(seed), room, 2));
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      count: Uint32Array.of(found, 0, 0, 0),
      ranked: packCandidates(ranked, use.capacity),
      overlaps: boxOverlapsReference(ranked, use.capacity, overlap),
    }),
    outputs: () => {
      const kept = keepBoxesReference(ranked, overlap, use.limit);
      const values = new Float64Array((1 + use.limit * 2) * 4).fill(Number.NaN);
      values.set([kept.length, found, 0, 0]);
      values.set(packCandidates(kept, kept.length), 4);
      return {
        result: { values },
        count: { values: Float64Array.of(0, 0, 0, 0), storage: 'u32' },
      };
    },
  };
}

export const keepBoxesCases: readonly KernelCase<KeepBoxesUse>[] = [
  toCase('none', 0, { capacity: 32, limit: 10 }, 851),
  toCase('clusters with ties', 118, { capacity: 128, limit: 100 }, 852),
  toCase('more than may be kept', 96, { capacity: 96, limit: 7 }, 853),
  toCase('more than there is room for', 500, { capacity: 64, limit: 64 }, 854),
];
