import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { sixBitPair, superBlockFormat } from './super-blocks.ts';

const scales = 4;
const highBits = 16;
const numbers = 48;

/**
 * 5 bits. File: factors and scales as in Q4_K, 32 bytes of high bits (bit g of byte e belongs to group g), 128 bytes of
 * nibbles. GPU: nibbles, high bits by group, the 16 bytes of factors and scales.
 */
export const q5_k: QuantFormat = superBlockFormat({
  name: 'q5_k',
  ggmlType: 13,
  blockBytes: 176,
  zero: 0,
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 1) * 32;
    for (let e = 0; e < 32; e += 1) {
      const low = ((file[from + e] as number) >> ((group & 1) * 4)) & 15;
      out[e] = low | ((((file[at + highBits + e] as number) >> group) & 1) << 4);
    }
  },
  scaleAndMinimum(file, at, half) {
    const [scale, minimum] = sixBitPair(file, at + scales, half >> 1);
    return [readHalf(file, at) * scale, readHalf(file, at + 2) * minimum];
  },
  planes: ['nibbles', 'bits'],
  scalePlanes: [16],
  scaleBytes: (file, at) => [file.subarray(at, at + 16)],
});
