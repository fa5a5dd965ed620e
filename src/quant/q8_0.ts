import { blockFormat, copiedPlane } from './block-format.ts';
import { groupElements, type QuantFormat, viewOf } from './format.ts';
import { readHalf, writeHalf } from './half.ts';
import { bytePacking } from './pack.ts';

const blockBytes = 34;
const numbers = 2;

/** weight = scale · q, q a signed byte, 32 weights a block. File: scale (half), 32 bytes. GPU: all bytes, then all scales. */
export const q8_0: QuantFormat = blockFormat({
  name: 'q8_0',
  ggmlType: 8,
  blockElements: groupElements,
  blockBytes,
  half: 'scaled',
  run: 1,
  packing: bytePacking,
  scalePlanes: [copiedPlane(0, 2)],
  readGroup(file, at, _group, out) {
    for (let i = 0; i < 8; i += 1) out[i] = file.getInt32(at + numbers + 4 * i, true);
  },
  value: (q) => (q < 128 ? q : q - 256),
  scaleAndOffset: (file, at) => [readHalf(file, at), 0],
  quantize,
});

/** The weight of largest magnitude becomes ±127; the others are rounded to nearest, halves away from zero: the store cuts the fraction off. */
function quantize(weights: Float32Array, blocks: Uint8Array): void {
  const file = viewOf(blocks);
  for (let first = 0, at = 0; first < weights.length; first += groupElements, at += blockBytes) {
    let largest = 0;
    for (let i = 0; i < groupElements; i += 1) {
      const magnitude = Math.abs(weights[first + i] as number);
      if (magnitude > largest) largest = magnitude;
    }
    const scale = Math.fround(largest / 127);
    writeHalf(file, at, scale);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    for (let i = 0; i < groupElements; i += 1) {
      const scaled = Math.fround((weights[first + i] as number) * inverse);
      file.setInt8(at + numbers + i, scaled + (scaled < 0 ? -0.5 : 0.5));
    }
  }
}
