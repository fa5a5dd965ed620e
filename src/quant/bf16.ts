import type { QuantFormat } from './format.ts';

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
    const view = new DataView(new ArrayBuffer(4));
    for (let i = 0; i < file.byteLength / 2; i += 1) {
      view.setUint8(2, file[i * 2] ?? 0);
      view.setUint8(3, file[i * 2 + 1] ?? 0);
      out[i] = view.getFloat32(0, true);
    }
  },
};
