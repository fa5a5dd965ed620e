import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { selectionRope, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import { rotateHead } from './rope.ref.ts';
import { capacityOf, type SelectionUse } from './selection-scores.ts';

/** Tokens of the working set, by slot: first, selected and last ones of a context of `tokens`; all of one that fits. */
export function workingTokens(
  sizes: Pick<SelectionUse, 'initial' | 'selected' | 'local'>,
  chosen: readonly number[],
  tokens: number,
): number[] {
  const { initial, local } = sizes;
  if (tokens <= capacityOf(sizes)) return Array.from({ length: tokens }, (_, i) => i);
  const first = Array.from({ length: initial }, (_, i) => i);
  const last = Array.from({ length: local }, (_, i) => tokens - local + i);
  return [...first, ...chosen, ...last];
}

function toCase(
  name: string,
  position: number,
  rows: number,
  firstSlot: number,
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const { heads, kvHeads, headDim, contextLength } = use;
  const random = new Random(1700 + position);
  const cache = () => random.activations(kvHeads * contextLength * headDim);
  const [exactKeys, exactValues] = [cache(), cache()];
  const queries = random.activations(rows * heads * headDim);
  const isHalf = use.kv === 'f16';
  const rounded = (values: Float32Array) => (isHalf ? roundedToHalf(values) : values);
  const stored = (values: Float32Array<ArrayBuffer>) => (isHalf ? asHalves(values) : values);
  const { inverseFrequencies, table } = selectionRope(use);
  const turn = (head: Float64Array, at: number) => rotateHead(use, inverseFrequencies, head, at);
  const chosen = Array.from({ length: use.selected }, (_, i) => use.initial + 3 * i + 1);
  const capacity = capacityOf(use);
  const slots = workingTokens(use, chosen, position + rows);
  const outputs = () => {
    const keys = new Float64Array(kvHeads * capacity * headDim).fill(Number.NaN);
    const values = keys.slice();
    for (let slot = firstSlot; slot < slots.length; slot += 1) {
      for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
        const at = (kvHead * contextLength + (slots[slot] ?? 0)) * headDim;
        const to = (kvHead * capacity + slot) * headDim;
        const key = Float64Array.from(rounded(exactKeys).subarray(at, at + headDim));
        keys.set(turn(key, slot), to);
        values.set(rounded(exactValues).subarray(at, at + headDim), to);
      }
    }
    const turned = Float64Array.from(queries);
    for (let i = 0; i < rows * heads; i += 1) {
      const head = turned.slice(i * headDim, (i + 1) * headDim);
      turned.set(turn(head, slots.length - rows + Math.floor(i / heads)), i * headDim);
    }
    return {
      keys: { values: keys, storage: use.kv },
      values: { values, storage: use.kv },
      queries: { values: turned },
    };
  };
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(position, rows, 0, 0, 0),
      selection: Uint32Array.of(0, firstSlot, 0, 0, ...chosen),
      rope: table,
      k_cache: stored(exactKeys),
      v_cache: stored(exactValues),
      queries,
    }),
    outputs,
  };
}

export const gatherTokensCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a first pass that fits', 0, 7, 0),
  toCase('a step of a context that fits', 11, 1, 11),
  toCase('a pass of a long context', 90, 5, 0, { kv: 'f16' }),
  toCase('a step that goes on with a selection', 130, 1, 10, { heads: 9, kvHeads: 3, headDim: 64 }),
  toCase('pairs, partly rotated', 77, 3, 4, { interleaved: true, headDim: 32, ropeDimensions: 8 }),
];
