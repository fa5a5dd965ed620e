import type { CaseData, ExpectedOutput, KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { packSelection, selectionRope, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import type { GatherUse } from './gather-tokens.ts';
import { isPacked, kvBytes, type PackedKv } from './kv-format.ts';
import { packCaches, packKv } from './kv-quantize.ref.ts';
import { rotateHead } from './rope.ref.ts';
import {
  capacityOf,
  filledOf,
  keptOf,
  layerBytes,
  type SelectionUse,
  setFormat,
} from './selection-use.ts';

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
type Vector = (kvHead: number, slot: number) => Float64Array;

/** Caches and selection of a use. */
function situationOf(seed: number, change: Change) {
  const use = selectionUse(change);
  const random = new Random(seed);
  const { kvHeads, headDim, contextLength, kv } = use;
  const isHalf = setFormat(use) === 'f16';
  const rows = (tokens: number) => random.activations(kvHeads * tokens * headDim);
  const stored = (exact: Float32Array<ArrayBuffer>) => (isHalf ? asHalves(exact) : exact);
  const vectorsOf =
    (held: Float32Array): Vector =>
    (kvHead, token) => {
      const at = (kvHead * (held.length / kvHeads / headDim) + token) * headDim;
      return Float64Array.from(held.subarray(at, at + headDim));
    };
  const rounded = (exact: Float32Array<ArrayBuffer>) =>
    vectorsOf(isHalf ? roundedToHalf(exact) : exact);
  const given = { keys: rows(contextLength), values: rows(contextLength) };
  const packed = isPacked(kv) ? packCaches({ ...use, kv }, undefined, given) : null;
  /** A row as the cache gives it back. */
  const kept = (row: Float64Array) =>
    isPacked(kv) ? Float64Array.from(packKv(kv, Float32Array.from(row)).values) : row;
  const { inverseFrequencies, table } = selectionRope(use);
  return {
    use,
    random,
    rows,
    rounded,
    kept,
    stored,
    table,
    turn: (head: Float64Array, at: number) => rotateHead(use, inverseFrequencies, head, at),
    chosen: Array.from({ length: use.selected }, (_, i) => use.initial + 3 * i + 1),
    keys: packed ? vectorsOf(packed.keys) : rounded(given.keys),
    values: packed ? vectorsOf(packed.values) : rounded(given.values),
    caches: packed?.buffers ?? { k_cache: stored(given.keys), v_cache: stored(given.values) },
  };
}

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

/** Keys and values behind each other, each aligned as a layer's part is. */
function joined(use: SelectionUse, keys: CaseData, values: CaseData): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(layerBytes(use).slots);
  const put = (rows: CaseData, at: number) =>
    whole.set(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength), at);
  put(keys, 0);
  put(values, whole.length / 2);
  return whole;
}

/** The same, NaN where nothing is written. */
function wholeSet(use: SelectionUse, keys: Float64Array, values: Float64Array): Float64Array {
  const whole = new Float64Array(layerBytes(use).slots / kvBytes(setFormat(use), 1)).fill(
    Number.NaN,
  );
  whole.set(keys);
  whole.set(values, whole.length / 2);
  return whole;
}

function packedOutputs(
  use: SelectionUse & { kv: PackedKv },
  rows: Record<'keys' | 'values', Float64Array>,
): Record<string, ExpectedOutput> {
  const given = { keys: Float32Array.from(rows.keys), values: Float32Array.from(rows.values) };
  const { k_cache, v_cache, kv_scales } = packCaches(use, undefined, given).buffers;
  return {
    k_cache: { values: Float64Array.from(k_cache), storage: 'u8' },
    v_cache: { values: Float64Array.from(v_cache), storage: 'u8' },
    kv_scales: { values: Float64Array.from(kv_scales), storage: 'u32' },
  };
}

function passCase(
  name: string,
  position: number,
  rows: number,
  change: Change = {},
): KernelCase<GatherUse> {
  const { use, random, table, turn, chosen, keys, values, caches } = situationOf(
    1700 + position,
    change,
  );
  const { heads, headDim } = use;
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
    const key: Vector = (kvHead, slot) => turn(keys(kvHead, tokenOf(slot)), slot);
    const value: Vector = (kvHead, slot) => values(kvHead, tokenOf(slot));
    return {
      slots: {
        values: wholeSet(use, written(use, capacity, all, key), written(use, capacity, all, value)),
        storage: setFormat(use),
      },
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
      ...caches,
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
  const situation = situationOf(1800 + position, change);
  const { use, random, rows, rounded, kept, stored } = situation;
  const { table, turn, chosen, keys, values, caches } = situation;
  const { contextLength, initial, kv, heads, headDim } = use;
  const queries = random.activations(heads * headDim);
  const capacity = capacityOf(use);
  const given = { keys: rows(capacity), values: rows(capacity) };
  const before = { keys: rounded(given.keys), values: rounded(given.values) };
  // The length of a turned vector stays, so that turning back is turning by the negative position.
  const ownKey = (kvHead: number) => kept(turn(before.keys(kvHead, slot), -slot));
  const ownValue = (kvHead: number) => kept(before.values(kvHead, slot));
  const slots = workingTokens(use, chosen, position + 1);
  const outputs = () => {
    const key: Vector = (kvHead, at) => {
      const token = slots[at] ?? 0;
      return turn(token === position ? ownKey(kvHead) : keys(kvHead, token), at);
    };
    const value: Vector = (kvHead, at) => {
      const token = slots[at] ?? 0;
      return token === position ? ownValue(kvHead) : values(kvHead, token);
    };
    const filled = isDue ? range(initial, filledOf(use)) : [];
    const set = (vectors: Vector, old: Vector, own: Vector) =>
      written(use, capacity, range(0, capacity), (kvHead, at) => {
        if (filled.includes(at)) return vectors(kvHead, at);
        return at === slot ? own(kvHead, at) : old(kvHead, at);
      });
    // Whatever is not packed stays in its slot as it was.
    const ownSlot = isPacked(kv)
      ? { key: (kvHead: number) => turn(ownKey(kvHead), slot), value: ownValue }
      : { key: before.keys, value: before.values };
    const ofCache = (vectors: Vector, own: (kvHead: number) => Float64Array) =>
      written(use, contextLength, range(0, contextLength), (kvHead, token) =>
        token === position ? own(kvHead) : vectors(kvHead, token),
      );
    const rowsOfCaches = { keys: ofCache(keys, ownKey), values: ofCache(values, ownValue) };
    const turned = Float64Array.from(queries);
    for (let at = 0; at < turned.length; at += headDim) {
      turned.set(turn(turned.slice(at, at + headDim), filledOf(use) - 1 - slot), at);
    }
    return {
      ...(own ? { queries: { values: turned } } : {}),
      slots: {
        values: wholeSet(
          use,
          set(key, before.keys, ownSlot.key),
          set(value, before.values, ownSlot.value),
        ),
        storage: setFormat(use),
      },
      ...(isPacked(kv)
        ? packedOutputs({ ...use, kv }, rowsOfCaches)
        : {
            k_cache: { values: rowsOfCaches.keys, storage: kv },
            v_cache: { values: rowsOfCaches.values, storage: kv },
          }),
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
      ...caches,
      slots: joined(use, stored(given.keys), stored(given.values)),
      ...(own ? { queries } : {}),
    }),
    outputs,
  };
}

/** Packed caches want heads of whole blocks. */
function wide(kv: PackedKv): Change {
  return { kv, headDim: 64, ropeDimensions: 64 };
}

export const gatherTokensCases: readonly KernelCase<GatherUse>[] = [
  passCase('a first pass that fits', 0, 7),
  passCase('a pass of a long context', 90, 5, { kv: 'f16' }),
  passCase('pairs, partly rotated', 77, 3, { interleaved: true, headDim: 32, ropeDimensions: 8 }),
  stepCase('a step of a context that fits', 11, 11, false),
  stepCase('a step that goes on with a selection', 130, 17, false, { kv: 'f16' }),
  stepCase('a step that selects', 130, 17, true, { heads: 9, kvHeads: 3, headDim: 64 }),
  passCase('a pass of a long context, bytes', 90, 5, wide('q8_0')),
  stepCase('a step that goes on, half bytes', 130, 17, false, wide('q4_0')),
  stepCase('a step that selects, bytes', 130, 17, true, wide('q8_0')),
  stepCase('a step that selects for itself, half bytes', 130, 17, true, {
    ...wide('q4_0'),
    own: true,
  }),
  stepCase('a step that selects for itself', 130, 17, true, { kv: 'f16', own: true }),
  stepCase('a step that selects, pairs, partly rotated', 77, 17, true, {
    interleaved: true,
    headDim: 32,
    ropeDimensions: 8,
  }),
];
