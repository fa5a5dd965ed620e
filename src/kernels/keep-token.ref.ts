import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { SelectedCaches } from '../testing/selected-caches.ts';
import { packSelection, selectionRope, selectionUse } from '../testing/selection.ts';
import { randomSet } from './gather-tokens.ref.ts';
import { isPacked } from './kv-format.ts';
import { rotateHead } from './rope.ref.ts';
import type { SelectionUse } from './selection-use.ts';

function toCase(
  name: string,
  position: number,
  slot: number,
  change: Partial<SelectionUse> = {},
): KernelCase<SelectionUse> {
  const use = selectionUse(change);
  const random = new Random(1850 + position);
  const caches = SelectedCaches.random(use, random);
  const set = randomSet(use, random);
  const { inverseFrequencies, table } = selectionRope(use);
  return {
    name,
    use,
    rows: 1,
    ...(isPacked(use.kv)
      ? {
          tolerance: {
            nmse: 1e-7,
            because: 'quotients may be rounded otherwise, and a tie falls to the other side',
          },
        }
      : {}),
    inputs: () => ({
      state: Uint32Array.of(position, 1, 0, 1, 0),
      selections: packSelection(use, [0, 1, slot, 0], Array<number>(use.selected).fill(0)),
      rope: table,
      slots: set.slots,
      ...caches.inputs(),
    }),
    outputs: () =>
      caches
        .with(
          position,
          // The length of a turned vector stays, so that turning back is turning by the negative position.
          (kvHead) => rotateHead(use, inverseFrequencies, set.keys(kvHead, slot), -slot),
          (kvHead) => set.values(kvHead, slot),
        )
        .outputs(),
  };
}

const wide = { headDim: 64, ropeDimensions: 64 };
const three = { heads: 9, kvHeads: 3 };

export const keepTokenCases: readonly KernelCase<SelectionUse>[] = [
  toCase('a step', 11, 11),
  toCase('halves, three KV heads', 130, 17, { ...wide, ...three, kv: 'f16' }),
  toCase('pairs, partly rotated', 77, 17, { interleaved: true, headDim: 32, ropeDimensions: 8 }),
  toCase('bytes', 130, 17, { ...wide, kv: 'q8_0' }),
  toCase('half bytes, three KV heads', 130, 16, { ...wide, ...three, kv: 'q4_0' }),
  toCase('narrow', 130, 17, { ...wide, ...three, ragged: true }),
  toCase('narrow, halves, pairs', 77, 17, {
    interleaved: true,
    headDim: 32,
    ropeDimensions: 32,
    kv: 'f16',
    ragged: true,
  }),
  toCase('narrow, bytes, three KV heads', 130, 17, { ...wide, ...three, kv: 'q8_0', ragged: true }),
  toCase('narrow, half bytes, wide heads', 99, 15, {
    headDim: 128,
    ropeDimensions: 128,
    kv: 'q4_0',
    ragged: true,
  }),
];
