import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { sixBitPair, superBlockFormat } from './super-blocks.ts';

const scales = 4;
const numbers = 16;

/**
 * 4 bits. File: scale factor and minimum factor (half), 12 bytes of 6-bit scales and minimums for each group, 128 bytes of
 * nibbles, two groups to 32 bytes. GPU: nibbles, then the 16 bytes of factors and scales as they are.
 */
export const q4_k: QuantFormat = superBlockFormat({
  name: 'q4_k',
  ggmlType: 12,
  blockBytes: 144,
  zero: 0,
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 1) * 32;
    for (let e = 0; e < 32; e += 1) out[e] = ((file[from + e] as number) >> ((group & 1) * 4)) & 15;
  },
  scaleAndMinimum(file, at, half) {
    const [scale, minimum] = sixBitPair(file, at + scales, half >> 1);
    return [readHalf(file, at) * scale, readHalf(file, at + 2) * minimum];
  },
  planes: ['nibbles'],
  scalePlanes: [16],
  scaleBytes: (file, at) => [file.subarray(at, at + 16)],
});
