import { groupElements, planeOffsets, type QuantFormat, viewOf } from './format.ts';
import type { Group, Packing } from './pack.ts';

/** What tells the formats with blocks apart: weight = scale · value(q) + offset, scale and offset for every 16 weights. */
export interface BlockFormat {
  name: string;
  ggmlType: number;
  /** A multiple of 32. */
  blockElements: number;
  blockBytes: number;
  half?: 'scaled';
  run?: 1 | 2;
  pairs?: boolean;
  held?: NonNullable<QuantFormat['held']>;
  many?: boolean;
  /** How the numbers q lie in the first planes. */
  packing: Packing;
  /** The planes behind them. */
  scalePlanes: readonly ScalePlane[];
  /** Puts the numbers of group g of the block at byte `at` into `out`, one a byte. */
  readGroup(file: DataView, at: number, group: number, out: Group): void;
  /** What a number stands for before scaling. */
  value(q: number): number;
  /** Scale and offset of the block's i-th 16 weights. */
  scaleAndOffset(file: DataView, at: number, i: number): readonly [number, number];
  quantize?: NonNullable<QuantFormat['quantize']>;
}

export interface ScalePlane {
  /** Bytes a block. */
  bytes: number;
  write(file: DataView, at: number, gpu: DataView, to: number): void;
}

const groupWords = 8;
/** Weights that share a scale at least. */
const scaleElements = 16;

/** Bytes `from` … of a block, as they are; an even number of them. */
export function copiedPlane(from: number, bytes: number): ScalePlane {
  return {
    bytes,
    write(file, at, gpu, to) {
      for (let i = 0; i < bytes; i += 2) {
        gpu.setUint16(to + i, file.getUint16(at + from + i, true), true);
      }
    },
  };
}

export function blockFormat(spec: BlockFormat): QuantFormat {
  const { packing, scalePlanes, readGroup, value, scaleAndOffset, ...own } = spec;
  const { blockElements, blockBytes } = own;
  const groups = blockElements / groupElements;
  const planeBytes = [
    ...packing.planeWords.map((words) => 4 * words * groups),
    ...scalePlanes.map(({ bytes }) => bytes),
  ];
  const values = Float64Array.from({ length: 2 ** packing.bits }, (_, q) => value(q));
  /** The group at hand. */
  const numbers: Group = new Int32Array(groupWords);

  function packGroup(gpu: DataView, planes: readonly number[], group: number): void {
    const packed = packing.pack(numbers);
    let next = 0;
    for (let p = 0; p < packing.planeWords.length; p += 1) {
      const words = packing.planeWords[p] as number;
      const at = (planes[p] as number) + 4 * words * group;
      for (let w = 0; w < words; w += 1) {
        gpu.setInt32(at + 4 * w, packed[next + w] as number, true);
      }
      next += words;
    }
  }

  function writeScales(
    file: DataView,
    at: number,
    gpu: DataView,
    planes: readonly number[],
    block: number,
  ): void {
    for (let p = 0; p < scalePlanes.length; p += 1) {
      const plane = scalePlanes[p] as ScalePlane;
      const start = planes[packing.planeWords.length + p] as number;
      plane.write(file, at, gpu, start + block * plane.bytes);
    }
  }

  return {
    ...own,
    planeBytes,
    repackRow(fileRow, gpuRow) {
      const file = viewOf(fileRow);
      const gpu = viewOf(gpuRow);
      const blocks = fileRow.byteLength / blockBytes;
      const planes = planeOffsets(planeBytes, blocks);
      for (let block = 0; block < blocks; block += 1) {
        const at = block * blockBytes;
        for (let group = 0; group < groups; group += 1) {
          readGroup(file, at, group, numbers);
          packGroup(gpu, planes, block * groups + group);
        }
        writeScales(file, at, gpu, planes, block);
      }
    },
    dequantize(fileBlocks, out) {
      const file = viewOf(fileBlocks);
      const halves = (fileBlocks.byteLength / blockBytes) * (blockElements / scaleElements);
      const halvesOfBlock = blockElements / scaleElements;
      for (let i = 0; i < halves; i += 1) {
        const at = Math.floor(i / halvesOfBlock) * blockBytes;
        const half = i % halvesOfBlock;
        if (half % 2 === 0) readGroup(file, at, half >> 1, numbers);
        const [scale, offset] = scaleAndOffset(file, at, half);
        for (let e = 0; e < scaleElements; e += 1) {
          const word = numbers[(half & 1) * 4 + (e >> 2)] as number;
          const q = (word >>> (8 * (e & 3))) & 255;
          out[i * scaleElements + e] = scale * (values[q] as number) + offset;
        }
      }
    },
  };
}
