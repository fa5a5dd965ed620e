import { blockFormat, copiedPlane } from './block-format.ts';
import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { fiveBitPacking } from './pack.ts';
import { sixBitPair, superBlockElements } from './super-block.ts';

const scales = 4;
const highBits = 16;
const numbers = 48;

/**
 * 5 bits. File: factors and scales as in Q4_K, 32 bytes of high bits (bit g of byte e belongs to group g), 128 bytes of
 * nibbles. GPU: numbers, the 16 bytes of factors and scales.
 */
export const q5_k: QuantFormat = blockFormat({
  name: 'q5_k',
  ggmlType: 13,
  blockElements: superBlockElements,
  blockBytes: 176,
  run: 2,
  many: true,
  packing: fiveBitPacking,
  scalePlanes: [copiedPlane(0, 16)],
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 8; i += 1) {
      const low = (file.getInt32(from + 4 * i, true) >>> shift) & 0x0f0f_0f0f;
      const high = (file.getInt32(at + highBits + 4 * i, true) >>> group) & 0x0101_0101;
      out[i] = low | (high << 4);
    }
  },
  value: (q) => q,
  scaleAndOffset(file, at, i) {
    const [scale, minimum] = sixBitPair(file, at + scales, i >> 1);
    return [readHalf(file, at) * scale, -readHalf(file, at + 2) * minimum];
  },
});
