import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { superBlockFormat } from './super-blocks.ts';

const highBits = 0;
const numbers = 32;
const scales = 96;
const factor = 108;

/** Scale i (0..15) in −32..31: four low bits in bytes 0..7, two high bits in bytes 8..11. */
function scaleAt(file: Uint8Array, at: number, i: number): number {
  const low = file[at + scales + (i & 7)] as number;
  const high = file[at + scales + 8 + (i & 3)] as number;
  return ((i < 8 ? low & 15 : low >> 4) | (((high >> (2 * (i >> 2))) & 3) << 4)) - 32;
}

/**
 * 3 bits. File: 32 bytes of high bits (bit g of byte e belongs to group g), 64 bytes of low pairs, 12 bytes of scales, factor
 * (half). GPU: pairs, high bits by group, scales as signed bytes, factors.
 */
export const q3_k: QuantFormat = superBlockFormat({
  name: 'q3_k',
  ggmlType: 11,
  blockBytes: 110,
  zero: 4,
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 2) * 32;
    for (let e = 0; e < 32; e += 1) {
      const low = ((file[from + e] as number) >> ((group & 3) * 2)) & 3;
      out[e] = low | ((((file[at + highBits + e] as number) >> group) & 1) << 2);
    }
  },
  scaleAndMinimum: (file, at, half) => [readHalf(file, at + factor) * scaleAt(file, at, half), 0],
  planes: ['pairs', 'bits'],
  scalePlanes: [16, 2],
  scaleBytes: (file, at) => [
    Array.from({ length: 16 }, (_, i) => scaleAt(file, at, i) & 255),
    file.subarray(at + factor, at + factor + 2),
  ],
});
