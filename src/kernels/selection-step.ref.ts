import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import {
  cosine,
  packPlace,
  packSelection,
  selectionRope,
  selectionUse,
} from '../testing/selection.ts';
import { rotateHead } from './rope.ref.ts';
import type { SelectionStepUse } from './selection-step.ts';
import { capacityOf, filledOf } from './selection-use.ts';

interface Situation {
  /** Tokens of the context, the step's own included. */
  tokens: number;
  /** The slot of the step's own token. */
  slot: number;
  isReusable?: boolean;
  /** How far the last query is from this one: 0 is the same. */
  distance?: number;
  change?: Partial<SelectionStepUse>;
}

function toCase(
  name: string,
  { tokens, slot, isReusable = true, distance = 1, change = {} }: Situation,
): KernelCase<SelectionStepUse> {
  const own = change.own === true;
  const use = { ...selectionUse(change), own };
  const { heads, headDim, local, selected } = use;
  const random = new Random(1480 + tokens);
  const { inverseFrequencies, table } = selectionRope(use);
  const plain = random.activations(heads * headDim);
  const turned = (position: number) => {
    const query = Float64Array.from(plain);
    for (let at = 0; at < query.length; at += headDim) {
      query.set(rotateHead(use, inverseFrequencies, query.slice(at, at + headDim), position), at);
    }
    return query;
  };
  const query = turned(local);
  const last = Float32Array.from(query, (value) => value + random.normal(distance));
  const isLong = tokens >= capacityOf(use);
  const goesOn = isReusable && cosine(query, last) >= use.similarity;
  const isDue = isLong && (own || !goesOn || slot + 1 === capacityOf(use));
  const before = Array<number>(selected).fill(7);
  const asked = new Float32Array(2 * last.length);
  asked.set(last, last.length);
  return {
    name,
    use,
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(tokens - 1, 1, 0, 1, 0),
      queries: Float32Array.from(turned(slot)),
      rope: table,
      selections: packSelection(use, [9, Number(isReusable), 9, 9], [...before]),
      asked,
      working: packPlace(slot, 1),
      ...(own ? { pass_working: packPlace(9, 9) } : {}),
    }),
    outputs: () => ({
      selections: {
        storage: 'u32',
        values: Float64Array.from(
          packSelection(use, [Number(isDue), Number(isLong && !own), slot, 9], [...before]),
        ),
      },
      asked: { values: Float64Array.of(...query, ...(isDue ? query : last)) },
      working: {
        storage: 'u32',
        values: Float64Array.from(packPlace(isDue ? filledOf(use) : slot + 1, 1)),
      },
      ...(own
        ? {
            queries: { values: turned(isDue ? filledOf(use) - 1 : slot) },
            pass_working: {
              storage: 'u32',
              values: Float64Array.from(packPlace(isDue ? filledOf(use) - 1 : slot, 1)),
            },
          }
        : {}),
    }),
  };
}

export const selectionStepCases: readonly KernelCase<SelectionStepUse>[] = [
  toCase('a context that fits', { tokens: 12, slot: 11 }),
  toCase('the last step that fits selects', { tokens: 18, slot: 17, isReusable: false }),
  toCase('a similar query goes on', {
    tokens: 90,
    slot: 19,
    distance: 0.1,
    change: { local: 16 },
  }),
  toCase('another query selects', { tokens: 90, slot: 19, change: { local: 16 } }),
  toCase('a step for itself selects, however similar', {
    tokens: 90,
    slot: 18,
    distance: 0.1,
    change: { local: 16, own: true },
  }),
  toCase('a similar query without room selects', { tokens: 90, slot: 17, distance: 0.1 }),
  toCase('the first step behind a pass selects', {
    tokens: 90,
    slot: 24,
    isReusable: false,
    distance: 0,
    change: { local: 16 },
  }),
  toCase('pairs, partly rotated', {
    tokens: 60,
    slot: 24,
    change: {
      local: 16,
      interleaved: true,
      headDim: 32,
      ropeDimensions: 16,
      heads: 9,
      kvHeads: 3,
    },
  }),
];
