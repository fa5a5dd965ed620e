import { groupElements, type QuantFormat, viewOf } from './format.ts';
import { writeHalf } from './half.ts';
import { nibbleFormat } from './nibble-blocks.ts';

const blockBytes = 18;
const numbers = 2;

/** weight = scale · (q − 8), 32 weights a block. */
export const q4_0: QuantFormat = nibbleFormat({
  name: 'q4_0',
  ggmlType: 2,
  fifthBit: false,
  minimum: false,
  half: 'scaled',
  run: 1,
  pairs: true,
  held: { tall: true },
  many: true,
  value: (q) => q - 8,
  quantize,
});

/** The weight of largest magnitude gets q = 0, that is −8 times the scale; the others are rounded to nearest. */
function quantize(weights: Float32Array, blocks: Uint8Array): void {
  const file = viewOf(blocks);
  for (let first = 0, at = 0; first < weights.length; first += groupElements, at += blockBytes) {
    let largest = 0;
    for (let i = 0; i < groupElements; i += 1) {
      const weight = weights[first + i] as number;
      if (Math.abs(weight) > Math.abs(largest)) largest = weight;
    }
    const scale = largest / -8;
    writeHalf(file, at, scale);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    for (let j = 0; j < 16; j += 1) {
      const low = numberOf(weights[first + j] as number, inverse);
      const high = numberOf(weights[first + j + 16] as number, inverse);
      file.setUint8(at + numbers + j, low | (high << 4));
    }
  }
}

/** Each step is rounded to single precision, as the reference computes it: the sum too decides a tie. */
function numberOf(weight: number, inverse: number): number {
  return Math.min(15, Math.floor(Math.fround(Math.fround(weight * inverse) + 8.5)));
}
