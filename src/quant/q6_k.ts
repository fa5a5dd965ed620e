import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { superBlockFormat } from './super-blocks.ts';

const low = 0;
const high = 128;
const scales = 192;
const factor = 208;

/**
 * 6 bits. File: 128 bytes of low nibbles, 64 bytes of high pairs, 16 signed scales, factor (half). GPU: the same planes, in
 * the order of weights.
 */
export const q6_k: QuantFormat = superBlockFormat({
  name: 'q6_k',
  ggmlType: 14,
  blockBytes: 210,
  zero: 32,
  readGroup(file, at, group, out) {
    const half = group >> 2;
    const quarter = group & 3;
    const lowFrom = at + low + half * 64 + (quarter & 1) * 32;
    const highFrom = at + high + half * 32;
    for (let e = 0; e < 32; e += 1) {
      const nibble = ((file[lowFrom + e] as number) >> ((quarter >> 1) * 4)) & 15;
      out[e] = nibble | ((((file[highFrom + e] as number) >> (quarter * 2)) & 3) << 4);
    }
  },
  scaleAndMinimum(file, at, half) {
    const scale = ((file[at + scales + half] as number) << 24) >> 24;
    return [readHalf(file, at + factor) * scale, 0];
  },
  planes: ['nibbles', 'pairs'],
  scalePlanes: [16, 2],
  scaleBytes: (file, at) => [
    file.subarray(at + scales, at + scales + 16),
    file.subarray(at + factor, at + factor + 2),
  ],
});
