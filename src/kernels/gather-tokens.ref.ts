import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSelection, selectionRope, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import type { GatherUse } from './gather-tokens.ts';
import { rotateHead } from './rope.ref.ts';
import { capacityOf, filledOf, keptOf, type SelectionUse } from './selection-use.ts';

/** Tokens of a working set just filled, by slot: first, selected and last ones of a context of `tokens`; all of one that fits. */
export function workingTokens(
  sizes: Pick<SelectionUse, 'initial' | 'selected' | 'local'>,
  chosen: readonly number[],
  tokens: number,
): number[] {
  if (tokens < capacityOf(sizes)) return range(0, tokens);
  return [...range(0, sizes.initial), ...chosen, ...range(tokens - keptOf(sizes), tokens)];
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

type Change = Partial<SelectionUse>;

/** Caches and selection of a use. */
function situationOf(seed: number, change: Change) {
  const use = selectionUse(change);
  const random = new Random(seed);
  const { kvHeads, headDim, contextLength, kv } = use;
  const isHalf = kv === 'f16';
  const cache = (tokens: number) => {
    const exact = random.activations(kvHeads * tokens * headDim);
    const rounded = isHalf ? roundedToHalf(exact) : exact;
    return {
      stored: isHalf ? asHalves(exact) : exact,
      vector: (kvHead: number, token: number) => {
        const at = (kvHead * tokens + token) * headDim;
        return Float64Array.from(rounded.subarray(at, at + headDim));
      },
    };
  };
  const { inverseFrequencies, table } = selectionRope(use);
  return {
    use,
    random,
    cache,
    table,
    turn: (head: Float64Array, at: number) => rotateHead(use, inverseFrequencies, head, at),
    chosen: Array.from({ length: use.selected }, (_, i) => use.initial + 3 * i + 1),
    keys: cache(contextLength),
    values: cache(contextLength),
  };
}

type Vector = (kvHead: number, slot: number) => Float64Array;

/** A cache [kvHeads, tokens, headDim] in which these tokens are written and no others. */
function written(
  { kvHeads, headDim }: SelectionUse,
  tokens: number,
  which: readonly number[],
  vector: Vector,
): Float64Array {
  const cache = new Float64Array(kvHeads * tokens * headDim).fill(Number.NaN);
  for (const token of which) {
    for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
      cache.set(vector(kvHead, token), (kvHead * tokens + token) * headDim);
    }
  }
  return cache;
}

function passCase(
  name: string,
  position: number,
  rows: number,
  change: Change = {},
): KernelCase<GatherUse> {
  const { use, random, table, turn, chosen, keys, values } = situationOf(1700 + position, change);
  const { heads, headDim, kv } = use;
  const queries = random.activations(rows * heads * headDim);
  const capacity = capacityOf(use);
  const slots = workingTokens(use, chosen, position + rows);
  const tokenOf = (slot: number) => slots[slot] ?? 0;
  const outputs = () => {
    const all = range(0, slots.length);
    const turned = Float64Array.from(queries);
    for (let i = 0; i < rows * heads; i += 1) {
      const head = turned.slice(i * headDim, (i + 1) * headDim);
      turned.set(turn(head, slots.length - rows + Math.floor(i / heads)), i * headDim);
    }
    const key: Vector = (kvHead, slot) => turn(keys.vector(kvHead, tokenOf(slot)), slot);
    const value: Vector = (kvHead, slot) => values.vector(kvHead, tokenOf(slot));
    return {
      keys: { values: written(use, capacity, all, key), storage: kv },
      values: { values: written(use, capacity, all, value), storage: kv },
      queries: { values: turned },
    };
  };
  return {
    name,
    use: { ...use, step: false },
    rows,
    inputs: () => ({
      state: Uint32Array.of(position, rows, 0, 0, 0),
      selections: packSelection(use, [1, 0, 0, 0], [...chosen]),
      rope: table,
      k_cache: keys.stored,
      v_cache: values.stored,
      queries,
    }),
    outputs,
  };
}

/** A step whose own token stands in `slot`, the last one that is taken. */
function stepCase(
  name: string,
  position: number,
  slot: number,
  isDue: boolean,
  { own = false, ...change }: Change & { own?: boolean } = {},
): KernelCase<GatherUse> {
  const { use, random, cache, table, turn, chosen, keys, values } = situationOf(
    1800 + position,
    change,
  );
  const { contextLength, initial, kv, heads, headDim } = use;
  const queries = random.activations(heads * headDim);
  const capacity = capacityOf(use);
  const before = { keys: cache(capacity), values: cache(capacity) };
  // The length of a turned vector stays, so that turning back is turning by the negative position.
  const ownKey = (kvHead: number) => turn(before.keys.vector(kvHead, slot), -slot);
  const slots = workingTokens(use, chosen, position + 1);
  const outputs = () => {
    const key: Vector = (kvHead, at) => {
      const token = slots[at] ?? 0;
      return turn(token === position ? ownKey(kvHead) : keys.vector(kvHead, token), at);
    };
    const value: Vector = (kvHead, at) => {
      const token = slots[at] ?? 0;
      return token === position ? before.values.vector(kvHead, slot) : values.vector(kvHead, token);
    };
    const filled = isDue ? range(initial, filledOf(use)) : [];
    const set = (vectors: Vector, old: Vector) =>
      written(use, capacity, range(0, capacity), (kvHead, at) =>
        filled.includes(at) ? vectors(kvHead, at) : old(kvHead, at),
      );
    const ofCache = (vectors: Vector, own: (kvHead: number) => Float64Array) =>
      written(use, contextLength, range(0, contextLength), (kvHead, token) =>
        token === position ? own(kvHead) : vectors(kvHead, token),
      );
    const turned = Float64Array.from(queries);
    for (let at = 0; at < turned.length; at += headDim) {
      turned.set(turn(turned.slice(at, at + headDim), filledOf(use) - 1 - slot), at);
    }
    return {
      ...(own ? { queries: { values: turned } } : {}),
      keys: { values: set(key, before.keys.vector), storage: kv },
      values: { values: set(value, before.values.vector), storage: kv },
      k_cache: { values: ofCache(keys.vector, ownKey), storage: kv },
      v_cache: {
        values: ofCache(values.vector, (kvHead) => before.values.vector(kvHead, slot)),
        storage: kv,
      },
    };
  };
  return {
    name,
    use: { ...use, step: true, own },
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(position, 1, 0, 1, 0),
      selections: packSelection(use, [Number(isDue), 1, slot, 0], [...chosen]),
      rope: table,
      k_cache: keys.stored,
      v_cache: values.stored,
      keys: before.keys.stored,
      values: before.values.stored,
      ...(own ? { queries } : {}),
    }),
    outputs,
  };
}

export const gatherTokensCases: readonly KernelCase<GatherUse>[] = [
  passCase('a first pass that fits', 0, 7),
  passCase('a pass of a long context', 90, 5, { kv: 'f16' }),
  passCase('pairs, partly rotated', 77, 3, { interleaved: true, headDim: 32, ropeDimensions: 8 }),
  stepCase('a step of a context that fits', 11, 11, false),
  stepCase('a step that goes on with a selection', 130, 17, false, { kv: 'f16' }),
  stepCase('a step that selects', 130, 17, true, { heads: 9, kvHeads: 3, headDim: 64 }),
  stepCase('a step that selects for itself', 130, 17, true, { kv: 'f16', own: true }),
  stepCase('a step that selects, pairs, partly rotated', 77, 17, true, {
    interleaved: true,
    headDim: 32,
    ropeDimensions: 8,
  }),
];
