import { batchNorm } from './batch-norm.ts';
import { type ConvolutionNode, channelsOf, groupsOf, type Node, type Parts } from './graph.ts';
import { layerWeights } from './layer-weights.ts';
import type { WeightFile } from './weight-file.ts';

/** A convolution's weights as the kernel reads them. */
export interface PackedConvolution {
  /** Matrices of 16 in columns: [output group][tap][input group][input][output]; of a transposed one the output groups of its corners one after another. */
  matrices: Float32Array;
  /** A vector an output group, for each bias; after them the slopes of PReLU where there are any. */
  bias: Float32Array;
}

/** The weights of a convolution out of the file: see `layerWeights`. */
export function packConvolution(node: ConvolutionNode, file: WeightFile): PackedConvolution {
  const { weights, rows, taps, inputs, biases, slopes } = layerWeights(node, file);
  const { parts } = node.output;
  const outputs = channelsOf(parts);
  const [inGroups, outGroups] = [groupsOf(node.input.parts), groupsOf(parts)];
  const [from, to] = [slotsOf(node.input.parts), slotsOf(parts)];
  const matrices = new Float32Array((rows / outputs) * outGroups * taps * inGroups * 16);
  for (let row = 0; row < rows; row += 1) {
    const slot = Math.floor(row / outputs) * outGroups * 4 + (to[row % outputs] ?? 0);
    for (let tap = 0; tap < taps; tap += 1) {
      const first = (Math.floor(slot / 4) * taps + tap) * inGroups * 16 + (slot % 4);
      from.forEach((c, input) => {
        matrices[first + c * 4] = weights[(row * taps + tap) * inputs + input] ?? 0;
      });
    }
  }
  return { matrices, bias: inGroupsOfFour([...biases, ...(slopes ? [slopes] : [])], parts) };
}

/** Scales, shifts and slopes of an affine node: `name.bn` and `name.act.weight`. */
export function packAffine(
  { name, output }: Extract<Node, { op: 'affine' }>,
  file: WeightFile,
): Float32Array {
  const channels = channelsOf(output.parts);
  const { scale, shift } = batchNorm(file, `${name}.bn`, channels);
  const slope = file.values(`${name}.act.weight`, [channels]);
  return inGroupsOfFour([scale, shift, slope], output.parts);
}

function inGroupsOfFour(perChannel: readonly Float32Array[], parts: Parts): Float32Array {
  const stored = groupsOf(parts) * 4;
  const slots = slotsOf(parts);
  const packed = new Float32Array(perChannel.length * stored);
  perChannel.forEach((values, part) => {
    slots.forEach((slot, channel) => {
      packed[part * stored + slot] = values[channel] ?? 0;
    });
  });
  return packed;
}

/** Where each channel stands among the channels of whole groups. */
export function slotsOf(parts: Parts): number[] {
  const slots: number[] = [];
  let start = 0;
  for (const channels of parts) {
    for (let i = 0; i < channels; i += 1) slots.push(start + i);
    start += Math.ceil(channels / 4) * 4;
  }
  return slots;
}
