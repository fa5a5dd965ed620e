import { f32 } from '../quant/f32.ts';
import { fileRowBytes, type QuantFormat } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import type { ByteReader } from './byte-reader.ts';
import { columnsOf } from './gpu-format.ts';
import type { Piece, ShardPlan } from './shard-plan.ts';

/** Reads the rows of a shard from the file and lays them out as the GPU wants them. */
export async function repackShard(
  plan: ShardPlan,
  reader: ByteReader,
): Promise<Uint8Array<ArrayBuffer>> {
  const shard = new Uint8Array(plan.bytes);
  for (const piece of plan.pieces) {
    const rowBytes = fileRowBytes(quantFormat(piece.tensor.format), columnsOf(piece.tensor));
    await reader.skipTo(piece.tensor.offset + piece.firstRow * rowBytes);
    await repackPiece(piece, reader, shard, rowBytes);
  }
  return shard;
}

async function repackPiece(
  piece: Piece,
  reader: ByteReader,
  shard: Uint8Array,
  fileRow: number,
): Promise<void> {
  const { format, rows, rowBytes, at } = piece;
  const repackRow = rowRepacker(quantFormat(piece.tensor.format), format, columnsOf(piece.tensor));
  // A row that is split between two pieces of the stream is put together here.
  const split = new Uint8Array(fileRow);
  let splitBytes = 0;
  let row = 0;
  const put = (file: Uint8Array): void => {
    repackRow(file, shard.subarray(at + row * rowBytes, at + (row + 1) * rowBytes));
    row += 1;
  };
  while (row < rows) {
    let bytes = await reader.take((rows - row) * fileRow - splitBytes);
    if (splitBytes > 0) {
      const missing = bytes.subarray(0, fileRow - splitBytes);
      split.set(missing, splitBytes);
      splitBytes += missing.byteLength;
      bytes = bytes.subarray(missing.byteLength);
      if (splitBytes < fileRow) continue;
      put(split);
      splitBytes = 0;
    }
    let start = 0;
    for (; start + fileRow <= bytes.byteLength; start += fileRow) {
      put(bytes.subarray(start, start + fileRow));
    }
    split.set(bytes.subarray(start));
    splitBytes = bytes.byteLength - start;
  }
}

type RepackRow = (file: Uint8Array, gpu: Uint8Array) => void;

/** Lays a row of `stored` out as a GPU row of `target`; where they differ, the weights are converted. */
function rowRepacker(stored: QuantFormat, target: QuantFormat, columns: number): RepackRow {
  if (stored === target) return stored.repackRow;
  const weights = new Float32Array(columns);
  if (target === f32) {
    const bytes = new Uint8Array(weights.buffer);
    return (file, gpu) => {
      stored.dequantize(file, weights);
      f32.repackRow(bytes, gpu);
    };
  }
  const blocks = new Uint8Array(fileRowBytes(target, columns));
  return (file, gpu) => {
    stored.dequantize(file, weights);
    target.quantize?.(weights, blocks);
    target.repackRow(blocks, gpu);
  };
}
