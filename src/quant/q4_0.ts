import { nibbleFormat } from './blocks-of-32.ts';
import type { QuantFormat } from './format.ts';
import { writeHalf } from './half.ts';

/** weight = scale · (q − 8), 32 weights a block. */
export const q4_0: QuantFormat = nibbleFormat({
  name: 'q4_0',
  ggmlType: 2,
  fifthBit: false,
  minimum: false,
  value: (q) => q - 8,
  quantize,
});

/** The weight of largest magnitude gets q = 0, that is −8 times the scale; the others are rounded to nearest. */
function quantize(weights: Float32Array, file: Uint8Array): void {
  for (let block = 0; block < weights.length / 32; block += 1) {
    const values = weights.subarray(block * 32, block * 32 + 32);
    const at = block * 18;
    let largest = 0;
    for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value;
    const exact = largest / -8;
    writeHalf(file, at, exact);
    const inverse = exact === 0 ? 0 : Math.fround(1 / exact);
    const code = (value: number) => Math.min(15, Math.floor(Math.fround(value * inverse) + 8.5));
    for (let j = 0; j < 16; j += 1) {
      file[at + 2 + j] = code(values[j] as number) | (code(values[j + 16] as number) << 4);
    }
  }
}
