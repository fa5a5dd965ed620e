import { type QuantFormat, viewOf } from './format.ts';

const bits = new Int32Array(1);
const single = new Float32Array(bits.buffer);

/** The upper half of single precision, as it is. */
export const bf16: QuantFormat = {
  name: 'bf16',
  ggmlType: 30,
  blockElements: 1,
  blockBytes: 2,
  planeBytes: [2],
  repackRow(file, gpu) {
    gpu.set(file);
  },
  dequantize(file, out) {
    const view = viewOf(file);
    for (let i = 0; i < file.byteLength / 2; i += 1) {
      bits[0] = view.getUint16(i * 2, true) << 16;
      out[i] = single[0] as number;
    }
  },
};
