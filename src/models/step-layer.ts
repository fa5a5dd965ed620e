import type { OneToken, ProjectionTarget } from '../attention/attention.ts';
import { findVariant, prepareDispatch } from '../gpu/kernel.ts';
import { type Linear, linearVector, type VectorOptions } from '../kernels/linear.ts';
import { type MatvecUse, matvec } from '../kernels/matvec.ts';
import { canFuseQkv, qkv as qkvKernel, qkvParts } from '../kernels/qkv.ts';
import { groupElements } from '../quant/format.ts';
import { maxSummandBytes } from './decoder-buffers.ts';
import type { LayerWeights } from './decoder-weights.ts';
import {
  activate,
  addProduct,
  type DecoderParts,
  type OneRow,
  type Prepared,
  rotate,
} from './layer.ts';

/** The layers for one token. */
export class StepLayers {
  readonly #parts: DecoderParts;
  /** Heads are projected where they attend. */
  readonly #projectsHeads: boolean;

  constructor(parts: DecoderParts) {
    this.#parts = parts;
    this.#projectsHeads = canProjectHeads(parts);
  }

  /** The residual stream before a layer: two buffers take turns where a kernel adds to it while others read it. */
  residual(index: number): GPUBuffer {
    const { weights, buffers } = this.#parts;
    const isTurn = this.#projectsHeads && (weights.layers.length - index) % 2 === 1;
    return isTurn ? buffers.xTurn : buffers.x;
  }

  layer(layer: LayerWeights, index: number, how: OneToken): Prepared {
    const parts = this.#parts;
    const { attention, buffers } = parts;
    const x = this.residual(index);
    const narrow = fusedQkv(parts, layer, x, attention.narrowTarget(index, layer.bases), how.far);
    const attends = { ...how, ...(narrow ? { parts: narrow.parts } : {}) };
    return [
      ...(narrow?.dispatches ?? projectOne(parts, layer, index, { x })),
      ...attention.route(index, 'one', { ...layer, x }),
      ...(this.#projectedHeads(layer, index, attends) ?? [
        ...attention.one(index, attends, buffers.attended, layer.bases),
        ...addOutput(parts, layer, skippableHeads(parts)),
        ...gateUpOne(parts, layer),
      ]),
      ...addDown(parts, layer, { x: this.residual(index + 1) }),
    ];
  }

  /** Heads leave summands of the output projection, which the gates and ups behind them add up: a dispatch less. */
  #projectedHeads(layer: LayerWeights, index: number, how: OneToken): Prepared | null {
    const [output] = layer.output.parts;
    if (!this.#projectsHeads || !output) return null;
    const { attention, buffers } = this.#parts;
    const { summands } = buffers;
    return [
      ...attention.one(index, how, summands, layer.bases, output.matrix),
      ...gateUpOne(this.#parts, layer, {
        x: this.residual(index),
        summing: { x_sum: this.residual(index + 1), summands },
        shared: attention.sharesKeys(index),
      }),
    ];
  }
}

/** Queries of one token; its keys and values go into the cache. */
export function projectOne(
  parts: DecoderParts,
  layer: LayerWeights,
  index: number,
  { x, state }: OneRow & { x: GPUBuffer },
): Prepared {
  const { gpu, attention } = parts;
  const { shape, buffers } = attention.target(index, 'one');
  const target = { shape, buffers: { ...buffers, ...(state ? { state } : {}) } };
  const norm = { weight: layer.attentionNorm, epsilon: parts.config.rmsNormEps };
  return (
    fusedQkv(parts, layer, x, target)?.dispatches ?? [
      ...linearVector(gpu, layer.qkv, x, parts.buffers.qkv, { norm }),
      rotate(parts, layer, target),
    ]
  );
}

/** Activated gates of one token. */
export function gateUpOne(
  parts: DecoderParts,
  layer: LayerWeights,
  {
    x = parts.buffers.x,
    state,
    summing,
    shared = false,
  }: OneRow & { summing?: Record<'x_sum' | 'summands', GPUBuffer>; shared?: boolean } = {},
): Prepared {
  const { gpu, config } = parts;
  const { gateUp, activated } = parts.buffers;
  const weight = layer.feedForwardNorm;
  const use = gateUpUse(parts, layer);
  const [both] = layer.gateUp.parts;
  if (!use || !both) {
    // Two products, then the activation.
    const norm = { weight, epsilon: config.rmsNormEps };
    return [
      ...linearVector(gpu, layer.gateUp, x, gateUp, { norm }),
      activate(parts, activated, 'f32', state),
    ];
  }
  const summands = summing ? { summands: config.numAttentionHeads, shared } : {};
  const buffers = { weights: both.matrix.buffer, x, y: activated, norm_weight: weight, ...summing };
  return [prepareDispatch(gpu, matvec, { ...use, ...summands }, buffers)];
}

/** What heads have left is projected and added to the residual stream. */
export function addOutput(
  parts: DecoderParts,
  { output, postAttentionNorm }: LayerWeights,
  more: OneRow & Pick<VectorOptions, 'heads'> = {},
): Prepared {
  return addVector(parts, output, parts.buffers.attended, postAttentionNorm, more);
}

/** So is what gates have let pass. */
export function addDown(
  parts: DecoderParts,
  { down, postFeedForwardNorm }: LayerWeights,
  row: OneRow,
): Prepared {
  return addVector(parts, down, parts.buffers.activated, postFeedForwardNorm, row);
}

function addVector(
  parts: DecoderParts,
  linear: Linear,
  input: GPUBuffer,
  postNorm: GPUBuffer | null,
  { heads, ...row }: OneRow & Pick<VectorOptions, 'heads'>,
): Prepared {
  const multiply = (y: GPUBuffer, residual: boolean) =>
    linearVector(parts.gpu, linear, input, y, { residual, ...(heads ? { heads } : {}) });
  return addProduct(parts, postNorm, multiply, row);
}

/** Heads whose columns the output projection need not read while they are off. */
function skippableHeads({ attention, config }: DecoderParts): Pick<VectorOptions, 'heads'> {
  const { gates } = attention;
  const { headDim } = config;
  return gates && headDim % groupElements === 0 ? { heads: { gates, columns: headDim } } : {};
}

/** Norm, projection, rotation and the write into the cache at once, where the model and the adapter allow it. */
function fusedQkv(
  { gpu, config }: DecoderParts,
  layer: LayerWeights,
  x: GPUBuffer,
  target: ProjectionTarget | null,
  far = false,
): { parts: number; dispatches: Prepared } | null {
  const [part, second] = layer.qkv.parts;
  if (!target || !part || second || layer.qNorm) return null;
  const { shape, buffers } = target;
  const use = {
    ...shape,
    format: part.matrix.format,
    columns: part.matrix.columns,
    normEpsilon: config.rmsNormEps,
    bias: part.bias !== null,
  };
  const parts = shape.ragged && far ? qkvParts(use, gpu.capabilities) : 1;
  const inParts = { ...use, ...(parts > 1 ? { parts } : {}) };
  if (!canFuseQkv(inParts, gpu.capabilities)) return null;
  const bound = {
    ...buffers,
    x,
    weights: part.matrix.buffer,
    norm_weight: layer.attentionNorm,
    bias: part.bias,
  };
  return { parts, dispatches: [prepareDispatch(gpu, qkvKernel, inParts, bound)] };
}

/** Few and narrow heads: all workgroups of the next kernel read all summands. */
function canProjectHeads(parts: DecoderParts): boolean {
  const { numAttentionHeads: heads, hiddenSize } = parts.config;
  return (
    heads * hiddenSize * 4 <= maxSummandBytes &&
    hiddenSize % groupElements === 0 &&
    parts.weights.layers.every((layer) => canProjectHeadsOf(parts, layer))
  );
}

function canProjectHeadsOf(parts: DecoderParts, layer: LayerWeights): boolean {
  const { gpu, config, attention } = parts;
  const [output, more] = layer.output.parts;
  const use = gateUpUse(parts, layer);
  if (!use || !output || more || output.bias || layer.postAttentionNorm) return false;
  const summing = { ...use, summands: config.numAttentionHeads };
  return (
    attention.canProject(output.matrix.format) &&
    findVariant(matvec, summing, gpu.capabilities) !== null
  );
}

/** Null where gate and up have different formats. */
function gateUpUse({ config }: DecoderParts, { gateUp }: LayerWeights): MatvecUse | null {
  const [both, second] = gateUp.parts;
  if (!both || second) return null;
  const { format, rows, columns } = both.matrix;
  const { rmsNormEps: normEpsilon, hiddenAct: gated } = config;
  return { format, rows: rows / 2, columns, normEpsilon, gated };
}
