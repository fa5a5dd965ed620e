import { blockFormat, copiedPlane } from './block-format.ts';
import type { QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { threeBitPacking } from './pack.ts';
import { superBlockElements } from './super-block.ts';

const highBits = 0;
const numbers = 32;
const scales = 96;
const factor = 108;

/** Scale i (0..15) in −32..31: four low bits in bytes 0..7, two high bits in bytes 8..11. */
function scaleAt(file: DataView, at: number, i: number): number {
  const low = file.getUint8(at + scales + (i & 7)) >> (i < 8 ? 0 : 4);
  const high = file.getUint8(at + scales + 8 + (i & 3)) >> (2 * (i >> 2));
  return ((low & 15) | ((high & 3) << 4)) - 32;
}

/**
 * 3 bits. File: 32 bytes of high bits (bit g of byte e belongs to group g), 64 bytes of low pairs, 12 bytes of scales, factor
 * (half). GPU: numbers, scales as signed bytes, factors.
 */
export const q3_k: QuantFormat = blockFormat({
  name: 'q3_k',
  ggmlType: 11,
  blockElements: superBlockElements,
  blockBytes: 110,
  run: 2,
  held: { tall: true },
  many: true,
  packing: threeBitPacking,
  scalePlanes: [
    {
      bytes: 16,
      write(file, at, gpu, to) {
        for (let i = 0; i < 16; i += 1) gpu.setInt8(to + i, scaleAt(file, at, i));
      },
    },
    copiedPlane(factor, 2),
  ],
  readGroup(file, at, group, out) {
    const from = at + numbers + (group >> 2) * 32;
    const shift = (group & 3) * 2;
    for (let i = 0; i < 8; i += 1) {
      const low = (file.getInt32(from + 4 * i, true) >>> shift) & 0x0303_0303;
      const high = (file.getInt32(at + highBits + 4 * i, true) >>> group) & 0x0101_0101;
      out[i] = low | (high << 2);
    }
  },
  value: (q) => q - 4,
  scaleAndOffset: (file, at, i) => [readHalf(file, at + factor) * scaleAt(file, at, i), 0],
});
