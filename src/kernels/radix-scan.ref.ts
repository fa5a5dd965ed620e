import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { RadixScanUse } from './radix-scan.ts';

/** Exclusive prefix sums, at most 2³² − 1; the last entry is the sum of all. */
export function radixScanReference(counts: Uint32Array): Float64Array {
  const sums = new Float64Array(counts.length + 1);
  counts.forEach((count, i) => {
    sums[i + 1] = Math.min(2 ** 32 - 1, (sums[i] as number) + count);
  });
  return sums;
}

const cases = [
  ...[1, 16, 255, 256, 257, 4099].map((length) => ({
    name: `${length} counts`,
    length,
    most: 2048,
  })),
  { name: 'more than a number holds', length: 4099, most: 2 ** 22 },
  { name: 'counts that are near the most', length: 300, most: 2 ** 32 },
];

export const radixScanCases: readonly KernelCase<RadixScanUse>[] = cases.map(
  ({ name, length, most }, i) => {
    const random = new Random(640 + i);
    const counts = Uint32Array.from({ length }, () => random.uniform() * most);
    return {
      name,
      use: { length },
      rows: 1,
      inputs: () => ({ counts }),
      outputs: () => {
        const sums = radixScanReference(counts);
        return {
          counts: { values: sums.subarray(0, length), storage: 'u32' as const },
          sum: { values: sums.subarray(length), storage: 'u32' as const },
        };
      },
    };
  },
);
