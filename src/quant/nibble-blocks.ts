import { blockFormat, copiedPlane } from './block-format.ts';
import { groupElements, type QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { fiveBitPacking, fourBitPacking, type Packing, spreadFourBits } from './pack.ts';

/** What tells the 4- and 5-bit formats with blocks of 32 apart. */
export interface NibbleFormat {
  name: string;
  ggmlType: number;
  /** A fifth bit for each weight, in a word between scale and nibbles. */
  fifthBit: boolean;
  /** A minimum in half precision behind the scale: weight = scale · value + minimum. */
  minimum: boolean;
  value(q: number): number;
  half?: 'scaled';
  run?: 1 | 2;
  pairs?: boolean;
  held?: NonNullable<QuantFormat['held']>;
  many?: boolean;
  /** If not as fits the number of bits best. */
  packing?: Packing;
  quantize?: NonNullable<QuantFormat['quantize']>;
}

/**
 * A block in the file: scale (half), minimum (half, if any), fifth bits (4 bytes, if any), 16 bytes of nibbles, where byte
 * j holds elements j (low) and j + 16 (high). On the GPU: numbers, scales with their minimums.
 */
export function nibbleFormat({ fifthBit, minimum, ...spec }: NibbleFormat): QuantFormat {
  const scaleBytes = minimum ? 4 : 2;
  const nibbles = scaleBytes + (fifthBit ? 4 : 0);
  return blockFormat({
    blockElements: groupElements,
    blockBytes: nibbles + 16,
    packing: fifthBit ? fiveBitPacking : fourBitPacking,
    ...spec,
    scalePlanes: [copiedPlane(0, scaleBytes)],
    readGroup(file, at, _group, out) {
      for (let i = 0; i < 4; i += 1) {
        const both = file.getInt32(at + nibbles + 4 * i, true);
        out[i] = both & 0x0f0f_0f0f;
        out[i + 4] = (both >>> 4) & 0x0f0f_0f0f;
      }
      if (!fifthBit) return;
      const fifth = file.getInt32(at + scaleBytes, true);
      for (let i = 0; i < 8; i += 1) {
        out[i] = (out[i] as number) | (spreadFourBits(fifth >>> (4 * i)) << 4);
      }
    },
    scaleAndOffset: (file, at) => [readHalf(file, at), minimum ? readHalf(file, at + 2) : 0],
  });
}
