import type { KernelCase } from '../testing/kernel-run.ts';
import { radixCountReference, radixKeys, radixPasses } from './radix-count.ref.ts';
import { type RadixPassUse, radixBlocks } from './radix-count.ts';
import { radixScanReference } from './radix-scan.ref.ts';

/** Keys and values in the order of one digit; equal digits stay as they were. */
export function radixScatterReference(
  { shift }: RadixPassUse,
  keys: Uint32Array,
  values: Uint32Array,
  total: number,
): { keys: Float64Array; values: Float64Array } {
  const digit = (i: number): number => ((keys[i] as number) >>> shift) & 15;
  // Array.prototype.sort is stable.
  const order = Array.from({ length: total }, (_, i) => i).sort((a, b) => digit(a) - digit(b));
  return {
    keys: Float64Array.from(order, (i) => keys[i] as number),
    values: Float64Array.from(order, (i) => values[i] as number),
  };
}

/**
 * Those of large blocks once more, by counts that nobody scanned; and so many blocks that an invocation sums several. What shift a digit
 * has is the same to these: with one, in a room of one size, they share a shader, which takes a second to compile on a software adapter.
 */
const counted: typeof radixPasses = [
  ...radixPasses
    .filter(({ use }) => use.blockKeys === radixBlocks.parallel)
    .map(({ name, use, total }) => ({ name, use: { ...use, capacity: 6000, shift: 8 }, total })),
  {
    name: 'a block without room',
    use: { capacity: 2048, shift: 12, blockKeys: radixBlocks.parallel },
    total: 2048,
  },
  {
    name: '41 blocks, two of them empty',
    use: { capacity: 82_000, shift: 4, blockKeys: radixBlocks.parallel },
    total: 79_001,
  },
].map(({ name, use, total }) => ({
  name: `${name}, counted`,
  use: { ...use, counted: true },
  total,
}));

export const radixScatterCases: readonly KernelCase<RadixPassUse>[] = [...radixPasses, ...counted]
  .filter(({ total }) => total > 0)
  .map(({ name, use, total }, i) => {
    const keys = radixKeys(use.capacity, 660 + i);
    const values = use.first ? keys.map((_, at) => at) : radixKeys(use.capacity, 680 + i);
    const counts = radixCountReference(use, keys, total);
    const scanned = radixScanReference(counts).subarray(0, counts.length);
    const offsets = use.counted ? Uint32Array.from(counts) : Uint32Array.from(scanned);
    return {
      name,
      use,
      rows: 1,
      inputs: () => ({
        total: Uint32Array.of(total),
        offsets,
        keys_in: keys,
        ...(use.first ? {} : { values_in: values }),
      }),
      outputs: () => {
        const moved = radixScatterReference(use, keys, values, total);
        return {
          keys_out: { values: moved.keys, storage: 'u32' as const },
          values_out: { values: moved.values, storage: 'u32' as const },
        };
      },
    };
  });
