import { planeOffsets, type QuantFormat } from './format.ts';
import { packBits, packNibbles, packPairs } from './pack.ts';

/** Weights of a super-block: eight groups of 32, each of two halves with a scale of its own. */
export const superBlockElements = 256;
const groups = 8;
const groupElements = 32;

/** What tells the K-formats apart: weight = scale · (q − zero) − minimum, scale and minimum for every 16 weights. */
export interface SuperBlockFormat {
  name: string;
  ggmlType: number;
  blockBytes: number;
  zero: number;
  /** Puts the 32 unsigned numbers of group g of the block at `at` into `out`. */
  readGroup(file: Uint8Array, at: number, group: number, out: Uint8Array): void;
  /** Scale and minimum of half-group i (0..15). */
  scaleAndMinimum(file: Uint8Array, at: number, half: number): readonly [number, number];
  /** How the numbers are cut into planes, lowest bits first: nibbles (4 bits), pairs (2) or bits (1). */
  planes: readonly ('nibbles' | 'pairs' | 'bits')[];
  /** Bytes a block of each plane behind them, for scales. */
  scalePlanes: readonly number[];
  /** The bytes of those planes. */
  scaleBytes(file: Uint8Array, at: number): readonly (readonly number[] | Uint8Array)[];
}

const planeKinds = {
  nibbles: { bits: 4, groupBytes: 16, pack: packNibbles },
  pairs: { bits: 2, groupBytes: 8, pack: packPairs },
  bits: { bits: 1, groupBytes: 4, pack: packBits },
} as const;

export function superBlockFormat(spec: SuperBlockFormat): QuantFormat {
  const kinds = spec.planes.map((plane) => planeKinds[plane]);
  const planeBytes = [...kinds.map(({ groupBytes }) => groupBytes * groups), ...spec.scalePlanes];
  const numbers = new Uint8Array(groupElements);
  const part = new Uint8Array(groupElements);

  function repackGroup(gpu: Uint8Array, planes: readonly number[], group: number): void {
    let shift = 0;
    kinds.forEach(({ bits, groupBytes, pack }, index) => {
      const mask = (1 << bits) - 1;
      for (let e = 0; e < groupElements; e += 1) {
        part[e] = ((numbers[e] as number) >> shift) & mask;
      }
      pack(part, gpu, (planes[index] as number) + group * groupBytes);
      shift += bits;
    });
  }

  return {
    name: spec.name,
    ggmlType: spec.ggmlType,
    blockElements: superBlockElements,
    blockBytes: spec.blockBytes,
    planeBytes,
    repackRow(file, gpu) {
      const blocks = file.byteLength / spec.blockBytes;
      const planes = planeOffsets(planeBytes, blocks);
      for (let block = 0; block < blocks; block += 1) {
        const at = block * spec.blockBytes;
        for (let group = 0; group < groups; group += 1) {
          spec.readGroup(file, at, group, numbers);
          repackGroup(gpu, planes, block * groups + group);
        }
        spec.scaleBytes(file, at).forEach((bytes, index) => {
          const plane = planes[kinds.length + index] as number;
          gpu.set(bytes, plane + block * bytes.length);
        });
      }
    },
    dequantize(file, out) {
      for (let block = 0; block < file.byteLength / spec.blockBytes; block += 1) {
        const at = block * spec.blockBytes;
        for (let group = 0; group < groups; group += 1) {
          spec.readGroup(file, at, group, numbers);
          for (let e = 0; e < groupElements; e += 1) {
            const [scale, minimum] = spec.scaleAndMinimum(file, at, group * 2 + (e >> 4));
            const index = block * superBlockElements + group * groupElements + e;
            out[index] = scale * ((numbers[e] as number) - spec.zero) - minimum;
          }
        }
      }
    },
  };
}

/** Scale and minimum number i (0..7) of the 12 bytes at `at`, 6 bits each. */
export function sixBitPair(file: Uint8Array, at: number, i: number): readonly [number, number] {
  const byte = (index: number) => file[at + index] as number;
  if (i < 4) return [byte(i) & 63, byte(i + 4) & 63];
  const scale = (byte(i + 4) & 15) | ((byte(i - 4) >> 6) << 4);
  const minimum = (byte(i + 4) >> 4) | ((byte(i) >> 6) << 4);
  return [scale, minimum];
}
