import type { KernelCase } from '../testing/kernel-run.ts';
import { Random } from '../testing/random.ts';
import type { RadixScanUse } from './radix-scan.ts';

/** Exclusive prefix sums; the last entry is the sum of all. */
export function radixScanReference(counts: Uint32Array): Float64Array {
  const sums = new Float64Array(counts.length + 1);
  counts.forEach((count, i) => {
    sums[i + 1] = (sums[i] as number) + count;
  });
  return sums;
}

export const radixScanCases: readonly KernelCase<RadixScanUse>[] = [1, 16, 255, 256, 257, 4099].map(
  (length, i) => {
    const random = new Random(640 + i);
    const counts = Uint32Array.from({ length }, () => random.uniform() * 2048);
    return {
      name: `${length} counts`,
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
