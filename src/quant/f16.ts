import { type QuantFormat, viewOf } from './format.ts';
import { readHalf } from './half.ts';

/** Half precision (IEEE 754 binary16), as it is. */
export const f16: QuantFormat = {
  name: 'f16',
  ggmlType: 1,
  half: 'plain',
  blockElements: 1,
  blockBytes: 2,
  planeBytes: [2],
  repackRow(file, gpu) {
    gpu.set(file);
  },
  dequantize(file, out) {
    const view = viewOf(file);
    for (let i = 0; i < file.byteLength / 2; i += 1) out[i] = readHalf(view, i * 2);
  },
};
