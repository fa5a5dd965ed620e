import type { Dispatch } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { lastRow } from '../kernels/last-row.ts';
import { wholeGroups } from '../quant/format.ts';
import type { LayerWeights } from './decoder-weights.ts';
import type { DecoderParts, Prepared } from './layer.ts';
import { addDown, addOutput, gateUpOne, projectOne } from './step-layer.ts';

/**
 * The last layer for the last token of a pass alone, whose residual stream goes on in `xTurn`: all of it, as in a step, where the pass has
 * left its keys and values alone; else what follows on its heads.
 */
export function lastLayerOfOne(
  parts: DecoderParts,
  layer: LayerWeights,
  index: number,
  far: boolean,
): Prepared {
  const { attention, config, inputs } = parts;
  const { x, xTurn: own, attended, passAttended, oneRow: state } = parts.buffers;
  const { numAttentionHeads, headDim, hiddenSize } = config;
  const one = { x: own, state };
  return [
    takeLastRow(parts, x, own, wholeGroups(hiddenSize), 'f32'),
    ...(attention.takesLastAlone
      ? [
          ...projectOne(parts, layer, index, one),
          ...attention.one(index, { far, state }, attended, layer.bases),
        ]
      : [takeLastRow(parts, passAttended, attended, numAttentionHeads * headDim, inputs)]),
    ...addOutput(parts, layer, one),
    ...gateUpOne(parts, layer, one),
    ...addDown(parts, layer, one),
  ].map(forOneRow);
}

function takeLastRow(
  { gpu, buffers: { state } }: DecoderParts,
  x: GPUBuffer,
  y: GPUBuffer,
  columns: number,
  storage: 'f32' | 'f16',
): Promise<Dispatch> {
  return prepareDispatch(gpu, lastRow, { columns, x: storage }, { state, x, y });
}

/** The same for one row, however many tokens the pass has. */
async function forOneRow(prepared: Promise<Dispatch>): Promise<Dispatch> {
  const dispatch = await prepared;
  return { ...dispatch, workgroups: () => dispatch.workgroups(1) };
}
