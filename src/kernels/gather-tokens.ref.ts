import type { CaseData, KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { SelectedCaches } from '../testing/selected-caches.ts';
import { packSelection, selectionRope, selectionUse } from '../testing/selection.ts';
import { asHalves, roundedToHalf } from '../testing/weights.ts';
import type { GatherUse } from './gather-tokens.ts';
import { kvBytes } from './kv-format.ts';
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

type Vector = (kvHead: number, slot: number) => Float64Array;
type Floats = Float32Array<ArrayBuffer>;

/** A random working set as a buffer holds it, and its rows. */
export function randomSet(
  use: SelectionUse,
  random: Random,
): { slots: Uint8Array<ArrayBuffer>; keys: Vector; values: Vector } {
  const { kvHeads, headDim } = use;
  const isHalf = setFormat(use) === 'f16';
  const rows = () => random.activations(kvHeads * capacityOf(use) * headDim);
  const given = { keys: rows(), values: rows() };
  const slots = new Uint8Array(layerBytes(use).slots);
  const put = (exact: Floats, at: number) => {
    const { buffer }: CaseData = isHalf ? asHalves(exact) : exact;
    slots.set(new Uint8Array(buffer), at);
  };
  put(given.keys, 0);
  put(given.values, slots.length / 2);
  const vectorsOf = (exact: Floats): Vector => {
    const held = isHalf ? roundedToHalf(exact) : exact;
    return (kvHead, slot) => {
      const at = (kvHead * capacityOf(use) + slot) * headDim;
      return Float64Array.from(held.subarray(at, at + headDim));
    };
  };
  return { slots, keys: vectorsOf(given.keys), values: vectorsOf(given.values) };
}

/** A working set in which these slots are written and no others: keys, then values, each aligned as a layer's part is. */
function writtenSet(
  use: SelectionUse,
  slots: readonly number[],
  keys: Vector,
  values: Vector,
): Float64Array {
  const whole = new Float64Array(layerBytes(use).slots / kvBytes(setFormat(use), 1)).fill(
    Number.NaN,
  );
  for (const slot of slots) {
    for (let kvHead = 0; kvHead < use.kvHeads; kvHead += 1) {
      const at = (kvHead * capacityOf(use) + slot) * use.headDim;
      whole.set(keys(kvHead, slot), at);
      whole.set(values(kvHead, slot), whole.length / 2 + at);
    }
  }
  return whole;
}

/** What a use's kernels turn keys and queries by. */
function turningOf(use: SelectionUse) {
  const { inverseFrequencies, table } = selectionRope(use);
  return {
    table,
    turn: (head: Float64Array, at: number) => rotateHead(use, inverseFrequencies, head, at),
  };
}

/** Every third token behind the initial ones. */
function chosenOf({ initial, selected }: SelectionUse): number[] {
  return Array.from({ length: selected }, (_, i) => initial + 3 * i + 1);
}

function passCase(
  name: string,
  position: number,
  rows: number,
  change: Partial<SelectionUse> = {},
): KernelCase<GatherUse> {
  const use = selectionUse(change);
  const caches = SelectedCaches.random(use, new Random(1700 + position));
  const { table, turn } = turningOf(use);
  const chosen = chosenOf(use);
  const tokens = workingTokens(use, chosen, position + rows);
  const tokenOf = (slot: number) => tokens[slot] ?? 0;
  const outputs = () => ({
    slots: {
      values: writtenSet(
        use,
        range(0, tokens.length),
        (kvHead, slot) => turn(caches.key(kvHead, tokenOf(slot)), slot),
        (kvHead, slot) => caches.value(kvHead, tokenOf(slot)),
      ),
      storage: setFormat(use),
    },
  });
  return {
    name,
    use: { ...use, step: false },
    rows,
    inputs: () => ({
      state: Uint32Array.of(position, rows, 0, 0, 0),
      selections: packSelection(use, [1, 0, 0, 0], [...chosen]),
      rope: table,
      ...caches.inputs(),
    }),
    outputs,
  };
}

/** A step whose own token stands in `slot`, the last one that is taken, and in the caches. */
function stepCase(
  name: string,
  position: number,
  slot: number,
  isDue: boolean,
  change: Partial<SelectionUse> = {},
): KernelCase<GatherUse> {
  const use = selectionUse(change);
  const random = new Random(1800 + position);
  const caches = SelectedCaches.random(use, random);
  const before = randomSet(use, random);
  const { table, turn } = turningOf(use);
  const chosen = chosenOf(use);
  const tokens = workingTokens(use, chosen, position + 1);
  const filled = isDue ? range(use.initial, filledOf(use)) : [slot];
  const tokenOf = (at: number) => (isDue ? (tokens[at] ?? 0) : position);
  const outputs = () => ({
    slots: {
      values: writtenSet(
        use,
        range(0, capacityOf(use)),
        (kvHead, at) =>
          filled.includes(at) ? turn(caches.key(kvHead, tokenOf(at)), at) : before.keys(kvHead, at),
        (kvHead, at) =>
          filled.includes(at) ? caches.value(kvHead, tokenOf(at)) : before.values(kvHead, at),
      ),
      storage: setFormat(use),
    },
  });
  return {
    name,
    use: { ...use, step: true },
    rows: 1,
    inputs: () => ({
      state: Uint32Array.of(position, 1, 0, 1, 0),
      selections: packSelection(use, [Number(isDue), 1, slot, 0], [...chosen]),
      rope: table,
      ...caches.inputs(),
      slots: before.slots,
    }),
    outputs,
  };
}

/** Narrow and packed caches want heads of whole blocks. */
const wide = { headDim: 64, ropeDimensions: 64 };
const three = { heads: 9, kvHeads: 3 };
const pairs = { interleaved: true, headDim: 32, ropeDimensions: 8 };

export const gatherTokensCases: readonly KernelCase<GatherUse>[] = [
  passCase('a first pass that fits', 0, 7),
  passCase('a pass of a long context', 90, 5, { kv: 'f16' }),
  passCase('pairs, partly rotated', 77, 3, pairs),
  stepCase('a step of a context that fits', 11, 11, false),
  stepCase('a step that goes on with a selection', 130, 17, false, { kv: 'f16' }),
  stepCase('a step that selects', 130, 17, true, { ...wide, ...three }),
  passCase('a pass of a long context, bytes', 90, 5, { ...wide, kv: 'q8_0' }),
  stepCase('a step that goes on, half bytes', 130, 17, false, { ...wide, kv: 'q4_0' }),
  stepCase('a step that selects, bytes', 130, 17, true, { ...wide, kv: 'q8_0' }),
  stepCase('a step that selects, pairs, partly rotated', 77, 17, true, pairs),
  passCase('a pass, narrow', 90, 5, { ...wide, ...three, ragged: true }),
  passCase('a pass, narrow, half bytes', 90, 5, { ...wide, kv: 'q4_0', ragged: true }),
  stepCase('a step that goes on, narrow, pairs', 130, 17, false, {
    ...pairs,
    kv: 'f16',
    ragged: true,
  }),
  stepCase('a step that selects, narrow, bytes', 130, 17, true, {
    ...wide,
    ...three,
    kv: 'q8_0',
    ragged: true,
  }),
];
