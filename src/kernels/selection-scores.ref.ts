import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSelection, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import { isPacked } from './kv-format.ts';
import { packCaches } from './kv-quantize.ref.ts';
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
  const exact = random.activations(kvHeads * contextLength * headDim);
  const { kv } = use;
  const packed = isPacked(kv)
    ? packCaches({ ...use, kv }, undefined, { keys: exact, values: exact })
    : null;
  const isHalf = kv === 'f16';
  const keys = packed?.keys ?? (isHalf ? roundedToHalf(exact) : exact);
  const scores = new Float64Array(heads * contextLength).fill(Number.NaN);
  const strips = new Float64Array(heads * selectionStrips * 2).fill(Number.NaN);
  const span = candidates / selectionStrips;
  for (let head = 0; head < heads && isDue; head += 1) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const own = Array.from({ length: candidates }, (_, i) => {
      const at = (kvHead * contextLength + initial + i) * headDim;
      return keys.subarray(at, at + headDim);
    });
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
      ...(packed?.buffers ?? { k_cache: isHalf ? asHalves(exact) : exact }),
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
  toCase('nothing where no selection is due', { candidates: selectionStrips, isDue: false }),
];
