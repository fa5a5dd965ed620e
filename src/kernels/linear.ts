import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { findVariant, prepareDispatch } from '../gpu/kernel.ts';
import { bySizeOfPass } from '../gpu/sized-dispatches.ts';
import { type QuantFormat, wholeGroups } from '../quant/format.ts';
import { type MatmulUse, matmul, passSizes } from './matmul.ts';
import { type Activation, matvec } from './matvec.ts';

/** A weight matrix [rows, columns] on the GPU, row-planar. */
export interface GpuMatrix {
  buffer: GPUBuffer;
  format: QuantFormat;
  rows: number;
  columns: number;
}

/**
 * A linear map whose outputs lie side by side: one matrix where all have the same format and one buffer holds them, else one for
 * each, and several where one is larger than what a GPU binds at once.
 */
export interface Linear {
  parts: readonly LinearPart[];
  rows: number;
  columns: number;
}

export interface LinearPart {
  matrix: GpuMatrix;
  /** First output of this part in a token's outputs; of an embedding, its first token. */
  yOffset: number;
  bias: GPUBuffer | null;
}

export interface VectorOptions {
  /** RMSNorm of the input. */
  norm?: { weight: GPUBuffer; epsilon: number };
  residual?: boolean;
  /** Gates of the heads that the input lies in, `columns` wide each: columns of a head whose gate is 0 are not read. */
  heads?: { gates: GPUBuffer; columns: number };
  /** The state of the pass, where the input is its last row and not its only one. */
  lastRow?: GPUBuffer;
}

/** y = W x, or y += W x, for one token. */
export function linearVector(
  gpu: Gpu,
  { parts }: Linear,
  x: GPUBuffer,
  y: GPUBuffer,
  { norm, residual = false, heads, lastRow }: VectorOptions = {},
): Promise<Dispatch>[] {
  return parts.map(({ matrix, yOffset, bias }) => {
    const use = {
      format: matrix.format,
      rows: matrix.rows,
      columns: matrix.columns,
      yOffset,
      residual,
      bias: bias !== null,
      ...(norm ? { normEpsilon: norm.epsilon } : {}),
      ...(heads ? { headColumns: heads.columns } : {}),
      ...(lastRow ? { lastRow: true } : {}),
    };
    return prepareDispatch(gpu, matvec, use, {
      weights: matrix.buffer,
      x,
      y,
      bias,
      norm_weight: norm?.weight ?? null,
      gates: heads?.gates ?? null,
      state: lastRow ?? null,
    });
  });
}

export interface MatrixOptions {
  /** The state of the pass: how many tokens it has. */
  state: GPUBuffer;
  /** How x is stored. */
  inputs: 'f32' | 'f16';
  residual?: boolean;
  /** Elements from a token's outputs to the next one's; default: as many as there are. */
  yStride?: number;
}

/** Y = X Wᵀ, or Y += X Wᵀ, for the tokens of a pass. */
export function linearMatrix(
  gpu: Gpu,
  { parts, rows }: Linear,
  x: GPUBuffer,
  y: GPUBuffer,
  { state, inputs, residual = false, yStride = rows }: MatrixOptions,
): Promise<Dispatch>[] {
  return parts.flatMap(({ matrix, yOffset, bias }) => {
    const use = {
      format: matrix.format,
      rows: matrix.rows,
      columns: matrix.columns,
      x: inputs,
      yStride,
      yOffset,
      residual,
      bias: bias !== null,
    };
    return bySizeOfPass(gpu, matmul, use, passSizes, { state, weights: matrix.buffer, x, y, bias });
  });
}

/** How `linearGated` uses the matrix; null where no kernel of this adapter does that, or gates and ups are several. */
function gatedUse(gpu: Gpu, { parts }: Linear, gated: Activation): MatmulUse | null {
  const [part, second] = parts;
  if (!part || second || part.bias) return null;
  const { format, rows, columns } = part.matrix;
  const yStride = wholeGroups(rows / 2);
  const use: MatmulUse = { format, rows, columns, x: 'f16', yStride, gated };
  return findVariant(matmul, use, gpu.capabilities) && use;
}

/** Does `linearGated` run on this adapter? */
export function canGate(gpu: Gpu, linear: Linear, activation: Activation): boolean {
  return gatedUse(gpu, linear, activation) !== null;
}

/**
 * Of gates and as many ups, for the tokens of a pass: Y = activation(gate) · up, of and in halves, rows padded to whole groups. Null where they
 * have to be made first.
 */
export function linearGated(
  gpu: Gpu,
  linear: Linear,
  activation: Activation,
  buffers: Readonly<Record<'x' | 'y' | 'state', GPUBuffer>>,
): Promise<Dispatch>[] | null {
  const use = gatedUse(gpu, linear, activation);
  const [part] = linear.parts;
  return use && part
    ? bySizeOfPass(gpu, matmul, use, passSizes, { ...buffers, weights: part.matrix.buffer })
    : null;
}
