import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { SelectedCaches } from '../testing/selected-caches.ts';
import { packSelection, selectionUse } from '../testing/selection.ts';
import { keptOf, type SelectionUse, selectionStrips } from './selection-use.ts';

/** q·k of a head and each of the keys. */
export function keyScores(query: ArrayLike<number>, keys: readonly ArrayLike<number>[]): number[] {
  return keys.map((key) => {
    let score = 0;
    for (let i = 0; i < query.length; i += 1) score += (query[i] ?? 0) * (key[i] ?? 0);
    return score;
  });
}

interface Situation {
  candidates: number;
  rows?: number;
  isDue?: boolean;
  change?: Partial<SelectionUse>;
}

function toCase(
  name: string,
  { candidates, rows = 1, isDue = true, change = {} }: Situation,
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const { heads, kvHeads, headDim, contextLength, initial, selected } = use;
  const random = new Random(1400 + candidates);
  const asked = random.activations(2 * heads * headDim);
  const caches = SelectedCaches.random(use, random);
  const scores = new Float64Array(heads * contextLength).fill(Number.NaN);
  const strips = new Float64Array(heads * selectionStrips * 2).fill(Number.NaN);
  const span = candidates / selectionStrips;
  for (let head = 0; head < heads && isDue; head += 1) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const own = Array.from({ length: candidates }, (_, i) => caches.key(kvHead, initial + i));
    const found = keyScores(asked.subarray(head * headDim, (head + 1) * headDim), own);
    scores.set(found, head * contextLength + initial);
    for (let strip = 0; strip < selectionStrips; strip += 1) {
      const part = found.slice(strip * span, (strip + 1) * span);
      const largest = Math.max(...part);
      const total = part.reduce((sum, score) => sum + Math.exp(score - largest), 0);
      strips.set([largest, total], (head * selectionStrips + strip) * 2);
    }
  }
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(initial + candidates + keptOf(use) - rows, rows, 0, 0, 0),
      selections: packSelection(
        use,
        [Number(isDue), 0, 0, 0],
        [...Array<number>(selected).fill(0)],
      ),
      asked,
      ...caches.inputs(),
    }),
    outputs: () => ({ scores: { values: scores }, strips: { values: strips } }),
  };
}

export const selectionScoresCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a candidate a strip', { candidates: selectionStrips }),
  toCase('three candidates a strip, halves', {
    candidates: 3 * selectionStrips,
    rows: 5,
    change: { kv: 'f16' },
  }),
  toCase('three query heads a group', {
    candidates: 2 * selectionStrips,
    change: { heads: 9, kvHeads: 3, headDim: 64 },
  }),
  toCase('bytes', {
    candidates: 2 * selectionStrips,
    change: { heads: 9, kvHeads: 3, headDim: 64, kv: 'q8_0' },
  }),
  toCase('half bytes', { candidates: selectionStrips, change: { headDim: 32, kv: 'q4_0' } }),
  toCase('narrow, three query heads a group', {
    candidates: 2 * selectionStrips,
    change: { heads: 9, kvHeads: 3, headDim: 64, ragged: true },
  }),
  toCase('narrow, halves', {
    candidates: selectionStrips,
    change: { headDim: 32, kv: 'f16', ragged: true },
  }),
  toCase('narrow, bytes', {
    candidates: selectionStrips,
    change: { headDim: 64, kv: 'q8_0', ragged: true },
  }),
  toCase('nothing where no selection is due', { candidates: selectionStrips, isDue: false }),
];
