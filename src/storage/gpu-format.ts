import type { TensorInfo } from '../formats/header.ts';
import { f32 } from '../quant/f32.ts';
import type { QuantFormat } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import type { LoadOptions } from '../types.ts';

const basisOrMean = /\.attn_(k_basis|v_mean)\.weight$/;

export interface GpuFormatOptions {
  quantize?: LoadOptions['quantize'];
}

/**
 * The format that a tensor has on the GPU: vectors are f32; matrices stay as stored, or are quantized where the caller asks
 * and they are floats whose rows hold whole blocks. What MatryoshkaKV adds is small, and kernels read it as stored. Throws `model-unsupported` for a storage format without an entry.
 */
export function gpuFormat(tensor: TensorInfo, options: GpuFormatOptions): QuantFormat {
  const stored = quantFormat(tensor.format);
  if (tensor.shape.length <= 1) return f32;
  const isFloat = stored.blockElements === 1;
  if (!isFloat || options.quantize === undefined || basisOrMean.test(tensor.name)) return stored;
  const target = quantFormat(options.quantize);
  return columnsOf(tensor) % target.blockElements === 0 ? target : stored;
}

/** Weights a row: the last dimension. */
export function columnsOf({ shape }: TensorInfo): number {
  return shape.at(-1) ?? 1;
}

/** Rows of a tensor: all dimensions but the last. A vector is one row. */
export function rowsOf({ shape }: TensorInfo): number {
  return shape.slice(0, -1).reduce((product, length) => product * length, 1);
}
