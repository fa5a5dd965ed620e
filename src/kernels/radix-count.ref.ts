import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import { type RadixPassUse, radixBlockCount, radixBlocks, radixDigits } from './radix-count.ts';

/** counts [16 digits, blocks] */
export function radixCountReference(
  use: RadixPassUse,
  keys: Uint32Array,
  total: number,
): Uint32Array {
  const blocks = radixBlockCount(use);
  const counts = new Uint32Array(radixDigits * blocks);
  keys.subarray(0, total).forEach((key, i) => {
    const at = ((key >>> use.shift) & 15) * blocks + Math.floor(i / use.blockKeys);
    counts[at] = (counts[at] as number) + 1;
  });
  return counts;
}

/** Seeded keys of all 32 bits; every fifth is the same, so that there are equal ones. */
export function radixKeys(count: number, seed: number): Uint32Array<ArrayBuffer> {
  const random = new Random(seed);
  return Uint32Array.from({ length: count }, (_, i) =>
    i % 5 === 0 ? 0xabcd_1234 : random.uniform() * 2 ** 32,
  );
}

/** Counts at and around a block's size, fewer keys than there is room for, every kind of shift. */
export const radixPasses: readonly { name: string; use: RadixPassUse; total: number }[] = [
  ...[1, 255, 256, 257, 2047, 2048, 2049, 5003].map((total, i) => ({
    name: `${total} keys`,
    use: {
      capacity: total,
      shift: (i % 8) * 4,
      blockKeys: radixBlocks.parallel,
      first: i % 2 === 0,
    },
    total,
  })),
  {
    name: 'no keys',
    use: { capacity: 300, shift: 0, blockKeys: radixBlocks.parallel, first: true },
    total: 0,
  },
  {
    name: 'fewer keys than room',
    use: { capacity: 6000, shift: 8, blockKeys: radixBlocks.parallel },
    total: 2100,
  },
  {
    name: 'small blocks',
    use: { capacity: 5000, shift: 28, blockKeys: radixBlocks.serial, first: true },
    total: 4999,
  },
];

export const radixCountCases: readonly KernelCase<RadixPassUse>[] = radixPasses.map(
  ({ name, use, total }, i) => {
    const keys = radixKeys(use.capacity, 600 + i);
    return {
      name,
      use,
      rows: 1,
      inputs: () => ({ total: Uint32Array.of(total), keys }),
      outputs: () => ({
        counts: {
          values: Float64Array.from(radixCountReference(use, keys, total)),
          storage: 'u32' as const,
        },
      }),
    };
  },
);
