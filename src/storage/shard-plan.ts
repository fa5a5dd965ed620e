import { VitrailError } from '../errors.ts';
import type { TensorInfo } from '../formats/header.ts';
import { type QuantFormat, rowLayout } from '../quant/format.ts';
import { columnsOf, type GpuFormatOptions, gpuFormat, rowsOf } from './gpu-format.ts';

export const defaultShardBytes: number = 16 * 2 ** 20;
/** The longest row that is read into memory: a million weights in single precision are 4 MiB. */
const maxRowBytes = 32 * 2 ** 20;

/** A file whose length nobody said may claim any size: this much is more than any browser can hold. */
const maxModelBytes = 2 ** 37;

/** Rows of one tensor inside a shard, in the GPU layout. */
export interface Piece {
  tensor: TensorInfo;
  /** On the GPU. */
  format: QuantFormat;
  firstRow: number;
  rows: number;
  rowBytes: number;
  /** First byte in the shard. */
  at: number;
}

/** A part of the model that is stored, verified and fetched as one. */
export interface ShardPlan {
  pieces: Piece[];
  /** GPU layout. */
  bytes: number;
  /** The file it comes from, and the bytes [from, to) there. */
  file: number;
  from: number;
  to: number;
}

export interface PlanOptions extends GpuFormatOptions {
  /** No shard is larger, unless a single row is. */
  maxShardBytes: number;
}

/**
 * Divides the tensors of each file, in file order, into shards. The same tensors and options always give the same shards.
 * Throws `model-corrupt` for tensors that overlap and `model-unsupported` for rows that do not fit in memory.
 */
export function planShards(
  files: readonly (readonly TensorInfo[])[],
  options: PlanOptions,
): ShardPlan[] {
  const bytes = files.flat().reduce((sum, tensor) => sum + tensor.bytes, 0);
  if (bytes > maxModelBytes) throw modelTooLarge(bytes);
  return files.flatMap((tensors, file) => planFile(tensors, file, options));
}

/** Bytes of all shards on the GPU. */
export function gpuBytesOf(plan: readonly ShardPlan[]): number {
  return plan.reduce((sum, { bytes }) => sum + bytes, 0);
}

function planFile(tensors: readonly TensorInfo[], file: number, options: PlanOptions): ShardPlan[] {
  const shards: ShardPlan[] = [];
  let shard: ShardPlan | undefined;
  for (const tensor of inFileOrder(tensors)) {
    const format = gpuFormat(tensor, options);
    const { rowBytes } = rowLayout(format, columnsOf(tensor));
    const rows = rowsOf(tensor);
    const fileRow = tensor.bytes / rows;
    if (Math.max(rowBytes, fileRow) > maxRowBytes) throw rowTooLong(tensor);
    let firstRow = 0;
    while (firstRow < rows) {
      if (!shard || shard.bytes + rowBytes > options.maxShardBytes) {
        const from = tensor.offset + firstRow * fileRow;
        shard = { pieces: [], bytes: 0, file, from, to: from };
        shards.push(shard);
      }
      const fitting = Math.floor((options.maxShardBytes - shard.bytes) / rowBytes);
      const taken = Math.min(rows - firstRow, Math.max(1, fitting));
      const at = shard.bytes;
      shard.pieces.push({ tensor, format, firstRow, rows: taken, rowBytes, at });
      shard.bytes += taken * rowBytes;
      firstRow += taken;
      shard.to = tensor.offset + firstRow * fileRow;
    }
  }
  return shards;
}

function inFileOrder(tensors: readonly TensorInfo[]): TensorInfo[] {
  const sorted = tensors
    .filter(({ bytes }) => bytes > 0)
    .sort((first, second) => first.offset - second.offset);
  sorted.forEach((tensor, index) => {
    const next = sorted[index + 1];
    if (next && tensor.offset + tensor.bytes > next.offset) throw overlap(tensor, next);
  });
  return sorted;
}

function overlap(tensor: TensorInfo, next: TensorInfo): VitrailError {
  return new VitrailError(
    'model-corrupt',
    `The tensors '${tensor.name}' and '${next.name}' overlap in the file.`,
    {
      where: 'shard-plan/order',
      fix: 'Download the file again; if that does not help, it was converted wrongly.',
      detail: { tensors: [tensor.name, next.name] },
    },
  );
}

function modelTooLarge(bytes: number): VitrailError {
  return new VitrailError('model-unsupported', `The file claims ${bytes} bytes of weights.`, {
    where: 'shard-plan/size',
    fix: 'Use a smaller model; if the file is small, it is damaged: download it again.',
    detail: { bytes },
  });
}

function rowTooLong({ name, shape }: TensorInfo): VitrailError {
  return new VitrailError('model-unsupported', `A row of '${name}' has ${shape.at(-1)} weights.`, {
    where: 'shard-plan/rows',
    fix: `Use a model whose rows need at most ${maxRowBytes / 2 ** 20} MiB.`,
    detail: { tensor: name, shape: [...shape] },
  });
}
