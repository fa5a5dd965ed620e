import { fileRowBytes, type QuantFormat, rowLayout } from '../quant/format.ts';
import { halfToNumber, numberToHalf } from '../quant/half.ts';
import { Random } from './random.ts';

/** A random matrix [rows, columns] as kernels get it, and as the reference sees it. */
export interface TestMatrix {
  gpu: Uint8Array<ArrayBuffer>;
  /** Row-major, exact. */
  values: Float64Array;
}

/** Rows of file blocks in the GPU layout. */
export function packRows(
  format: QuantFormat,
  file: Uint8Array,
  rows: number,
  columns: number,
): Uint8Array<ArrayBuffer> {
  const fileBytes = fileRowBytes(format, columns);
  const { rowBytes } = rowLayout(format, columns);
  const gpu = new Uint8Array(rows * rowBytes);
  for (let row = 0; row < rows; row += 1) {
    format.repackRow(
      file.subarray(row * fileBytes, (row + 1) * fileBytes),
      gpu.subarray(row * rowBytes, (row + 1) * rowBytes),
    );
  }
  return gpu;
}

export function randomMatrix(
  format: QuantFormat,
  rows: number,
  columns: number,
  seed: number,
): TestMatrix {
  const file = new Random(seed).blocks(format, (rows * columns) / format.blockElements);
  const values = new Float64Array(rows * columns);
  format.dequantize(file, values);
  return { gpu: packRows(format, file, rows, columns), values };
}

/** A vector padded with zeros to a multiple of 32, as activations and norm weights are kept. */
export function padded(values: Float32Array, rows = 1): Float32Array<ArrayBuffer> {
  const columns = values.length / rows;
  const stride = Math.ceil(columns / 32) * 32;
  const out = new Float32Array(rows * stride);
  for (let row = 0; row < rows; row += 1) {
    out.set(values.subarray(row * columns, (row + 1) * columns), row * stride);
  }
  return out;
}

/** Numbers rounded to half precision. */
export function roundedToHalf(values: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(values, (value) => halfToNumber(numberToHalf(value)));
}

/** Numbers stored in half precision. */
export function asHalves(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint16Array.from(values, numberToHalf).buffer);
}
