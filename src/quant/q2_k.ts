import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { superBlockFormat } from './super-blocks.ts';

const scales = 0;
const numbers = 16;
const factors = 80;

/**
 * 2 bits. File: 16 bytes of 4-bit scale and minimum for each half-group, 64 bytes of numbers, scale factor and minimum
 * factor (half). GPU: numbers, the 16 bytes, the factors.
 */
export const q2_k: QuantFormat = superBlockFormat({
  name: 'q2_k',
  ggmlType: 10,
  blockBytes: 84,
  zero: 0,
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 2) * 32;
    for (let e = 0; e < 32; e += 1) out[e] = ((file[from + e] as number) >> ((group & 3) * 2)) & 3;
  },
  scaleAndMinimum(file, at, half) {
    const byte = file[at + scales + half] as number;
    return [
      readHalf(file, at + factors) * (byte & 15),
      readHalf(file, at + factors + 2) * (byte >> 4),
    ];
  },
  planes: ['pairs'],
  scalePlanes: [16, 4],
  scaleBytes: (file, at) => [
    file.subarray(at + scales, at + scales + 16),
    file.subarray(at + factors, at + factors + 4),
  ],
});
