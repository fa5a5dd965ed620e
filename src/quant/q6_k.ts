import { blockFormat, copiedPlane } from './block-format.ts';
import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { sixBitPacking } from './pack.ts';
import { superBlockElements } from './super-block.ts';

const low = 0;
const high = 128;
const scales = 192;
const factor = 208;

/**
 * 6 bits. File: 128 bytes of low nibbles, 64 bytes of high pairs, 16 signed scales, factor (half). GPU: numbers,
 * scales, factors.
 */
export const q6_k: QuantFormat = blockFormat({
  name: 'q6_k',
  ggmlType: 14,
  blockElements: superBlockElements,
  blockBytes: 210,
  run: 2,
  held: { tall: true, long: true },
  packing: sixBitPacking,
  scalePlanes: [copiedPlane(scales, 16), copiedPlane(factor, 2)],
  readGroup(file, at, group, out) {
    const half = group >> 2;
    const quarter = group & 3;
    const lowFrom = at + low + half * 64 + (quarter & 1) * 32;
    const lowShift = (quarter >> 1) * 4;
    const highFrom = at + high + half * 32;
    for (let i = 0; i < 8; i += 1) {
      const nibbles = (file.getInt32(lowFrom + 4 * i, true) >>> lowShift) & 0x0f0f_0f0f;
      const pairs = (file.getInt32(highFrom + 4 * i, true) >>> (quarter * 2)) & 0x0303_0303;
      out[i] = nibbles | (pairs << 4);
    }
  },
  value: (q) => q - 32,
  scaleAndOffset: (file, at, i) => [readHalf(file, at + factor) * file.getInt8(at + scales + i), 0],
});
