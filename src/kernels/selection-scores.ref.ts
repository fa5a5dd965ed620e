import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import { selectionUse } from './selection-query.ref.ts';
import type { SelectionUse } from './selection-query.ts';
import { selectionStrips } from './selection-scores.ts';

/** q·k of a head and each of the keys. */
export function keyScores(query: ArrayLike<number>, keys: readonly ArrayLike<number>[]): number[] {
  return keys.map((key) => {
    let score = 0;
    for (let i = 0; i < query.length; i += 1) score += (query[i] ?? 0) * (key[i] ?? 0);
    return score;
  });
}

function toCase(
  name: string,
  candidates: number,
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const { heads, kvHeads, headDim, contextLength, initial, local } = use;
  const random = new Random(1400 + candidates);
  const query = random.activations(heads * headDim);
  const exact = random.activations(kvHeads * contextLength * headDim);
  const isHalf = use.kv === 'f16';
  const keys = isHalf ? roundedToHalf(exact) : exact;
  const position = initial + candidates + local - 3;
  const scores = new Float64Array(heads * contextLength).fill(Number.NaN);
  const strips = new Float64Array(heads * selectionStrips * 2);
  const span = candidates / selectionStrips;
  for (let head = 0; head < heads; head += 1) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const own = Array.from({ length: candidates }, (_, i) => {
      const at = (kvHead * contextLength + initial + i) * headDim;
      return keys.subarray(at, at + headDim);
    });
    const found = keyScores(query.subarray(head * headDim, (head + 1) * headDim), own);
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
    rows: 3,
    inputs: () => ({
      state: Uint32Array.of(position, 3, 0, 0, 0),
      selection: Uint32Array.of(0, 1, 0, 0, ...Array<number>(use.selected).fill(0)),
      query,
      k_cache: isHalf ? asHalves(exact) : exact,
    }),
    outputs: () => ({ scores: { values: scores }, strips: { values: strips } }),
  };
}

function notDue(): KernelCase<SelectionUse> {
  const due = toCase('nothing where nothing is due', selectionStrips);
  const inputs = () => ({
    ...due.inputs(),
    selection: new Uint32Array(4 + due.use.selected),
  });
  const untouched = (count: number) => ({ values: new Float64Array(count).fill(Number.NaN) });
  const { heads, contextLength } = due.use;
  const outputs = () => ({
    scores: untouched(heads * contextLength),
    strips: untouched(heads * selectionStrips * 2),
  });
  return { ...due, inputs, outputs };
}

export const selectionScoresCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a candidate a strip', selectionStrips),
  toCase('three a strip, halves', 3 * selectionStrips, { kv: 'f16' }),
  toCase('three query heads a group', 2 * selectionStrips, { heads: 9, kvHeads: 3, headDim: 64 }),
  notDue(),
];
