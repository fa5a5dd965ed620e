import type { QuantFormat } from './format.ts';
import { readHalf, writeHalf } from './half.ts';

const blockElements = 32;
const blockBytes = 34;

/** weight = scale · q, q a signed byte, 32 weights a block. File: scale, 32 bytes. GPU: all bytes, then all scales. */
export const q8_0: QuantFormat = {
  name: 'q8_0',
  ggmlType: 8,
  blockElements,
  blockBytes,
  planeBytes: [32, 2],
  repackRow(file, gpu) {
    const blocks = file.byteLength / blockBytes;
    const scales = blocks * blockElements;
    for (let block = 0; block < blocks; block += 1) {
      const at = block * blockBytes;
      gpu[scales + block * 2] = file[at] as number;
      gpu[scales + block * 2 + 1] = file[at + 1] as number;
      const out = block * blockElements;
      for (let i = 0; i < blockElements; i += 1) gpu[out + i] = file[at + 2 + i] as number;
    }
  },
  dequantize(file, out) {
    for (let block = 0; block < file.byteLength / blockBytes; block += 1) {
      const at = block * blockBytes;
      const scale = readHalf(file, at);
      for (let i = 0; i < blockElements; i += 1) {
        out[block * blockElements + i] = scale * (((file[at + 2 + i] as number) << 24) >> 24);
      }
    }
  },
  /** The weight of largest magnitude becomes ±127; the others are rounded to nearest, halves away from zero. */
  quantize(weights, file) {
    for (let block = 0; block < weights.length / blockElements; block += 1) {
      const values = weights.subarray(block * blockElements, (block + 1) * blockElements);
      const at = block * blockBytes;
      let largest = 0;
      for (const value of values) largest = Math.max(largest, Math.abs(value));
      const scale = Math.fround(largest / 127);
      writeHalf(file, at, scale);
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      values.forEach((value, i) => {
        const scaled = Math.fround(value * inverse);
        file[at + 2 + i] = Math.sign(scaled) * Math.round(Math.abs(scaled));
      });
    }
  },
};
