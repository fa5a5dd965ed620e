import { blockFormat, copiedPlane } from './block-format.ts';
import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { twoBitPacking } from './pack.ts';
import { superBlockElements } from './super-block.ts';

const scales = 0;
const numbers = 16;
const factors = 80;

/**
 * 2 bits. File: 16 bytes of 4-bit scale and minimum for each half-group, 64 bytes of numbers, scale factor and minimum
 * factor (half). GPU: numbers, the 16 bytes, the factors.
 */
export const q2_k: QuantFormat = blockFormat({
  name: 'q2_k',
  ggmlType: 10,
  blockElements: superBlockElements,
  blockBytes: 84,
  run: 2,
  held: { tall: true },
  many: true,
  packing: twoBitPacking,
  scalePlanes: [copiedPlane(scales, 16), copiedPlane(factors, 4)],
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 2) * 32;
    const shift = (group & 3) * 2;
    for (let i = 0; i < 8; i += 1) {
      out[i] = (file.getInt32(from + 4 * i, true) >>> shift) & 0x0303_0303;
    }
  },
  value: (q) => q,
  scaleAndOffset(file, at, i) {
    const both = file.getUint8(at + scales + i);
    const factor = readHalf(file, at + factors);
    return [factor * (both & 15), -readHalf(file, at + factors + 2) * (both >> 4)];
  },
});
