import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import {
  meanQuery,
  packPlace,
  packSelection,
  selectionRope,
  selectionUse,
} from '../testing/selection.ts';
import { rotateHead } from './rope.ref.ts';
import { capacityOf, filledOf, type SelectionUse } from './selection-use.ts';

function toCase(
  name: string,
  tokens: number,
  rows: number,
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const { heads, headDim, selected } = use;
  const queries = new Random(1450 + tokens).activations(rows * heads * headDim);
  const { inverseFrequencies, table } = selectionRope(use);
  const isLong = tokens >= capacityOf(use);
  const end = isLong ? filledOf(use) : tokens;
  const turn = (head: Float64Array, at: number) => rotateHead(use, inverseFrequencies, head, at);
  const query = meanQuery(use, queries, rows, turn);
  const turned = () => {
    const all = Float64Array.from(queries);
    for (let i = 0; i < rows * heads; i += 1) {
      const head = all.slice(i * headDim, (i + 1) * headDim);
      all.set(turn(head, end - rows + Math.floor(i / heads)), i * headDim);
    }
    return all;
  };
  const asked = new Float64Array(2 * heads * headDim).fill(Number.NaN);
  if (isLong) asked.set(query);
  const before = Array<number>(selected).fill(7);
  const state = (position: number, count: number) => ({
    storage: 'u32' as const,
    values: Float64Array.from(packPlace(position, count)),
  });
  return {
    name,
    use,
    rows,
    inputs: () => ({
      state: Uint32Array.of(tokens - rows, rows, 0, 0, 0),
      queries,
      rope: table,
      selections: packSelection(use, [9, 9, 9, 9], [...before]),
      pass_working: packPlace(9, 9),
      working: packPlace(9, 9),
    }),
    outputs: () => ({
      selections: {
        storage: 'u32',
        values: Float64Array.from(packSelection(use, [Number(isLong), 0, 9, 9], [...before])),
      },
      asked: { values: asked },
      queries: { values: turned() },
      pass_working: state(end - rows, rows),
      working: state(end, 1),
    }),
  };
}

export const selectionPassCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a pass that fits', 17, 5),
  toCase('the first that does not', 18, 5),
  toCase('a token that the host wrote', 100, 1, { headDim: 64, heads: 9, kvHeads: 3 }),
  toCase('many tokens', 200, 150, { local: 200, contextLength: 400 }),
  toCase('pairs, partly rotated', 60, 7, {
    interleaved: true,
    headDim: 32,
    ropeDimensions: 16,
    heads: 9,
    kvHeads: 3,
  }),
];
