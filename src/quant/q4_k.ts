import { blockFormat, copiedPlane } from './block-format.ts';
import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { fourBitPacking } from './pack.ts';
import { sixBitPair, superBlockElements } from './super-block.ts';

const scales = 4;
const numbers = 16;

/**
 * 4 bits. File: scale factor and minimum factor (half), 12 bytes of 6-bit scales and minimums for each group, 128 bytes of
 * nibbles, two groups to 32 bytes. GPU: nibbles, then the 16 bytes of factors and scales as they are.
 */
export const q4_k: QuantFormat = blockFormat({
  name: 'q4_k',
  ggmlType: 12,
  blockElements: superBlockElements,
  blockBytes: 144,
  run: 2,
  held: { tall: true },
  many: true,
  packing: fourBitPacking,
  scalePlanes: [copiedPlane(0, 16)],
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 8; i += 1) {
      out[i] = (file.getInt32(from + 4 * i, true) >>> shift) & 0x0f0f_0f0f;
    }
  },
  value: (q) => q,
  scaleAndOffset(file, at, i) {
    const [scale, minimum] = sixBitPair(file, at + scales, i >> 1);
    return [readHalf(file, at) * scale, -readHalf(file, at + 2) * minimum];
  },
});
