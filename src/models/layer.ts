import type { Attention, ProjectionTarget } from '../attention/attention.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { gatedActivation } from '../kernels/gated-activation.ts';
import { type RmsNormUse, rmsNorm } from '../kernels/rms-norm.ts';
import { rope } from '../kernels/rope.ts';
import { wholeGroups } from '../quant/format.ts';
import type { TransformerConfig } from './config.ts';
import type { DecoderBuffers } from './decoder-buffers.ts';
import type { DecoderWeights, LayerWeights } from './decoder-weights.ts';

/** What a decoder's dispatches bind and are chosen by. */
export interface DecoderParts {
  gpu: Gpu;
  config: TransformerConfig;
  weights: DecoderWeights;
  attention: Attention;
  buffers: DecoderBuffers;
  /** How inputs of matrix products are stored: in halves where the subgroup-matrix kernels read them. */
  inputs: 'f32' | 'f16';
}

export type Prepared = Promise<Dispatch>[];

/** Where the residual stream lies, and a state that has one row, where these are not those of the pass. */
export interface OneRow {
  x?: GPUBuffer;
  state?: GPUBuffer;
}

/** y = norm(x), or y += norm(x). */
export function normalize(
  { gpu, config, buffers }: DecoderParts,
  x: GPUBuffer,
  weight: GPUBuffer,
  y: GPUBuffer,
  more: Pick<RmsNormUse, 'residual' | 'y'> = {},
  state: GPUBuffer = buffers.state,
): Promise<Dispatch> {
  const use = { columns: config.hiddenSize, epsilon: config.rmsNormEps, ...more };
  return prepareDispatch(gpu, rmsNorm, use, { state, x, norm_weight: weight, y });
}

/** Rotates queries and keys and fills the cache. */
export function rotate(
  { gpu, config, buffers: { qkv } }: DecoderParts,
  { qNorm, kNorm }: LayerWeights,
  { shape, buffers }: ProjectionTarget,
): Promise<Dispatch> {
  const use = { ...shape, ...(qNorm && kNorm ? { headNormEpsilon: config.rmsNormEps } : {}) };
  return prepareDispatch(gpu, rope, use, { ...buffers, qkv, q_norm: qNorm, k_norm: kNorm });
}

/** x += product, or x += norm(product) where the architecture has a norm there. */
export function addProduct(
  parts: DecoderParts,
  postNorm: GPUBuffer | null,
  multiply: (y: GPUBuffer, residual: boolean) => Prepared,
  { x = parts.buffers.x, state }: OneRow = {},
): Prepared {
  if (!postNorm) return multiply(x, true);
  const { projected } = parts.buffers;
  return [
    ...multiply(projected, false),
    normalize(parts, projected, postNorm, x, { residual: true }, state),
  ];
}

/** Of gates and ups that a product has made. */
export function activate(
  { gpu, config, buffers }: DecoderParts,
  y: GPUBuffer,
  storage: 'f32' | 'f16',
  state: GPUBuffer = buffers.state,
): Promise<Dispatch> {
  const use = {
    activation: config.hiddenAct,
    columns: config.intermediateSize,
    yStride: wholeGroups(config.intermediateSize),
    y: storage,
  };
  return prepareDispatch(gpu, gatedActivation, use, { state, x: buffers.gateUp, y });
}
