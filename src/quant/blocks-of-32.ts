import { planeOffsets, type QuantFormat } from './format.ts';
import { readHalf } from './half.ts';
import { packBits, packNibbles } from './pack.ts';

/** What tells the 4- and 5-bit formats with blocks of 32 apart. */
export interface NibbleFormat {
  name: string;
  ggmlType: number;
  /** A fifth bit for each weight, in a word between scale and nibbles. */
  fifthBit: boolean;
  /** A minimum in half precision behind the scale: weight = scale · q + minimum. */
  minimum: boolean;
  /** The weight of a number before scaling. */
  value(q: number): number;
  quantize?: NonNullable<QuantFormat['quantize']>;
}

const blockElements = 32;
const nibbleBytes = 16;

/**
 * A block in the file: scale (half), minimum (half, if any), fifth bits (4 bytes, if any), 16 bytes of nibbles, where byte
 * j holds elements j (low) and j + 16 (high). On the GPU: nibbles, fifth bits, scales with their minimums.
 */
export function nibbleFormat(spec: NibbleFormat): QuantFormat {
  const scaleBytes = spec.minimum ? 4 : 2;
  const bitBytes = spec.fifthBit ? 4 : 0;
  const blockBytes = scaleBytes + bitBytes + nibbleBytes;
  const planeBytes = [nibbleBytes, ...(spec.fifthBit ? [bitBytes] : []), scaleBytes];
  const scalePlane = planeBytes.length - 1;
  const low = new Uint8Array(blockElements);
  const fifth = new Uint8Array(blockElements);

  function readBlock(file: Uint8Array, at: number): void {
    const nibbles = at + scaleBytes + bitBytes;
    for (let j = 0; j < nibbleBytes; j += 1) {
      const byte = file[nibbles + j] as number;
      low[j] = byte & 15;
      low[j + 16] = byte >> 4;
    }
    if (!spec.fifthBit) return;
    for (let e = 0; e < blockElements; e += 1) {
      fifth[e] = ((file[at + scaleBytes + (e >> 3)] as number) >> (e & 7)) & 1;
    }
  }

  return {
    name: spec.name,
    ggmlType: spec.ggmlType,
    blockElements,
    blockBytes,
    planeBytes,
    repackRow(file, gpu) {
      const blocks = file.byteLength / blockBytes;
      const planes = planeOffsets(planeBytes, blocks);
      const scales = planes[scalePlane] as number;
      for (let block = 0; block < blocks; block += 1) {
        const at = block * blockBytes;
        readBlock(file, at);
        packNibbles(low, gpu, block * nibbleBytes);
        if (spec.fifthBit) packBits(fifth, gpu, (planes[1] as number) + block * bitBytes);
        for (let i = 0; i < scaleBytes; i += 1) {
          gpu[scales + block * scaleBytes + i] = file[at + i] as number;
        }
      }
    },
    dequantize(file, out) {
      const blocks = file.byteLength / blockBytes;
      for (let block = 0; block < blocks; block += 1) {
        const at = block * blockBytes;
        readBlock(file, at);
        const scale = readHalf(file, at);
        const minimum = spec.minimum ? readHalf(file, at + 2) : 0;
        for (let e = 0; e < blockElements; e += 1) {
          const q = (low[e] as number) + (spec.fifthBit ? (fifth[e] as number) * 16 : 0);
          out[block * blockElements + e] = scale * spec.value(q) + minimum;
        }
      }
    },
    ...(spec.quantize ? { quantize: spec.quantize } : {}),
  };
}
