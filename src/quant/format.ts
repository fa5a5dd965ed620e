/**
 * A storage format of weights. One file for each format in `src/quant/`, its WGSL twin in `shaders/quant/`.
 *
 * In the file a row of K weights is K / blockElements blocks of blockBytes. On the GPU a row is one plane after
 * the other (all quants of the row, then all scales …), each plane padded to 4 bytes and the row to 16, so that loads are
 * aligned and whole; see ADR 0003. `repackRow` is the only place that knows both.
 */
export interface QuantFormat {
  /** ggml's name, lower case: `q4_1`. */
  name: string;
  /** ggml's type number in GGUF files. */
  ggmlType: number;
  /** Weights a block. K must be a multiple of it. */
  blockElements: number;
  /** Bytes a block in the file. */
  blockBytes: number;
  /** Bytes that a block adds to each plane of a GPU row, in order. */
  planeBytes: readonly number[];
  /**
   * Has a twin in shaders/quant-half that makes halves without conversions; elsewhere the float twin's weights are rounded. `scaled`: with scales
   * behind the numbers of a row, which the twin takes from vectors of several groups.
   */
  half?: 'plain' | 'scaled';
  /** The twin makes bytes of its numbers, for products in fixed point (lib/fixed-point), so many groups at a time. */
  run?: 1 | 2;
  /** Two groups at a time in shapes that say so, though `run` is one. */
  pairs?: boolean;
  /** Decoding is quicker with x held in registers (lib/held-x): of tall matrices, of long rows. By measurement, see docs/performance-log.md. */
  held?: { tall?: boolean; long?: boolean };
  /** The same by many subgroups a workgroup, of long rows. */
  many?: boolean;
  /** File blocks of one row → GPU row (rowBytes(format, K) bytes, zeroed by the caller). */
  repackRow(file: Uint8Array, gpu: Uint8Array): void;
  /** File blocks → weights, exact in double precision before the final rounding of `out`. */
  dequantize(file: Uint8Array, out: Float32Array | Float64Array): void;
  /** Weights → file blocks, as ggml's reference quantizer does; only where models are quantized on load. */
  quantize?(weights: Float32Array, file: Uint8Array): void;
}

/** Kernels read weights in groups of 32: a GPU row is padded with zeros to a multiple of it. */
export const groupElements = 32;

/** Elements of a row with its padding. */
export function wholeGroups(columns: number): number {
  return Math.ceil(columns / groupElements) * groupElements;
}

export interface RowLayout {
  /** First byte of each plane in the row. */
  planes: number[];
  rowBytes: number;
}

/** GPU row of K weights. Planes are padded to 4 bytes, the row to 16. */
export function rowLayout(format: QuantFormat, columns: number): RowLayout {
  const padded = wholeGroups(columns);
  const blocks = Math.ceil(padded / format.blockElements);
  const planes = planeOffsets(format.planeBytes, blocks);
  const last = planes.length - 1;
  const end = (planes[last] ?? 0) + (format.planeBytes[last] ?? 0) * blocks;
  return { planes, rowBytes: Math.ceil(end / 16) * 16 };
}

/** Byte offsets of the planes in a GPU row of this many blocks. */
export function planeOffsets(planeBytes: readonly number[], blocks: number): number[] {
  let offset = 0;
  return planeBytes.map((bytes) => {
    const own = offset;
    offset += Math.ceil((bytes * blocks) / 4) * 4;
    return own;
  });
}

/** Bytes of one row in the file. */
export function fileRowBytes(format: QuantFormat, columns: number): number {
  return (columns / format.blockElements) * format.blockBytes;
}

/** Bytes as numbers that need not be aligned. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The module of shaders/quant-half that makes a format's weights in halves. */
export function halfModule(format: QuantFormat): string {
  return format.half ? format.name : 'rounded';
}
