import { type QuantFormat, viewOf } from './format.ts';

/** Single precision, as it is. */
export const f32: QuantFormat = {
  name: 'f32',
  ggmlType: 0,
  blockElements: 1,
  blockBytes: 4,
  planeBytes: [4],
  repackRow(file, gpu) {
    gpu.set(file);
  },
  dequantize(file, out) {
    const view = viewOf(file);
    for (let i = 0; i < file.byteLength / 4; i += 1) out[i] = view.getFloat32(i * 4, true);
  },
};
