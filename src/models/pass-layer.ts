import type { Dispatch } from '../gpu/gpu.ts';
import { type Linear, linearGated, linearMatrix } from '../kernels/linear.ts';
import { wholeGroups } from '../quant/format.ts';
import type { LayerWeights } from './decoder-weights.ts';
import {
  activate,
  addProduct,
  type DecoderParts,
  normalize,
  type Prepared,
  rotate,
} from './layer.ts';

/** A layer for the tokens of a pass. */
export interface PassLayer {
  /** Queries, and keys and values on their way into the cache. */
  project: Prepared;
  /** Up to the outputs of the heads. */
  attend: Prepared;
  /** The rest of it. */
  feed: Prepared;
}

export function passLayer(parts: DecoderParts, layer: LayerWeights, index: number): PassLayer {
  const { attention, inputs } = parts;
  const { x, qkv, passNormed, passAttended, passActivated } = parts.buffers;
  return {
    project: [
      normForProduct(parts, layer.attentionNorm),
      ...multiply(parts, layer.qkv, passNormed, qkv),
      rotate(parts, layer, attention.target(index, 'many')),
    ],
    attend: [
      ...attention.route(index, 'many', { ...layer, x }),
      ...attention.many(index, passAttended, inputs, layer.bases),
    ],
    feed: [
      ...addMultiplied(parts, layer.output, passAttended, layer.postAttentionNorm),
      normForProduct(parts, layer.feedForwardNorm),
      ...gateUp(parts, layer),
      ...addMultiplied(parts, layer.down, passActivated, layer.postFeedForwardNorm),
    ],
  };
}

/** Logits of every token of a pass. */
export function passLogits(parts: DecoderParts, logits: GPUBuffer): Prepared {
  const { lmHead, finalNorm } = parts.weights;
  return [
    normForProduct(parts, finalNorm),
    ...multiply(parts, lmHead, parts.buffers.passNormed, logits),
  ];
}

/** Activated gates. */
function gateUp(parts: DecoderParts, { gateUp }: LayerWeights): Prepared {
  const { gpu, config, inputs } = parts;
  const { state, passNormed: x, passActivated: y, gateUp: products } = parts.buffers;
  const activated =
    inputs === 'f16' ? linearGated(gpu, gateUp, config.hiddenAct, { state, x, y }) : null;
  return activated ?? [...multiply(parts, gateUp, x, products), activate(parts, y, inputs)];
}

function normForProduct(parts: DecoderParts, weight: GPUBuffer): Promise<Dispatch> {
  const { x, passNormed } = parts.buffers;
  return normalize(parts, x, weight, passNormed, { y: parts.inputs });
}

function multiply(
  { gpu, inputs, buffers: { state } }: DecoderParts,
  linear: Linear,
  x: GPUBuffer,
  y: GPUBuffer,
  more: { residual?: boolean; yStride?: number } = {},
): Prepared {
  return linearMatrix(gpu, linear, x, y, { state, inputs, ...more });
}

function addMultiplied(
  parts: DecoderParts,
  linear: Linear,
  input: GPUBuffer,
  postNorm: GPUBuffer | null,
): Prepared {
  const yStride = wholeGroups(linear.rows);
  return addProduct(parts, postNorm, (y, residual) =>
    multiply(parts, linear, input, y, { residual, yStride }),
  );
}
