import type { Node, Parts } from './graph.ts';
import { channelsOf, groupsOf } from './graph.ts';
import type { WeightFile } from './weight-file.ts';

export type ConvolutionNode = Extract<Node, { op: 'convolution' }>;

/** A convolution's weights as the kernel reads them. */
export interface PackedConvolution {
  /** Matrices of 16 in columns: [output group][tap][input group][input][output]. */
  matrices: Float32Array;
  /** A vector an output group; after them the slopes of PReLU where there are any. */
  bias: Float32Array;
}

/** Reads `name.weight` [K, C, h, w] (transposed: [C, K, 2, 2]), `name.bias` [K] and, for PReLU, `name.slope` [K]. */
export function packConvolution(node: ConvolutionNode, file: WeightFile): PackedConvolution {
  const { name, kernel, transposed, activation, input, output } = node;
  const [inputs, outputs] = [channelsOf(input.parts), channelsOf(output.parts)];
  const ends = transposed ? [inputs, outputs] : [outputs, inputs];
  const weight = file.values(`${name}.weight`, [...ends, kernel, kernel]);
  const perChannel = [file.values(`${name}.bias`, [outputs])];
  if (activation === 'prelu') perChannel.push(file.values(`${name}.slope`, [outputs]));
  const [inGroups, outGroups] = [groupsOf(input.parts), groupsOf(output.parts)];
  const from = slotsOf(input.parts);
  const to = slotsOf(output.parts);
  const taps = kernel * kernel;
  const matrices = new Float32Array(outGroups * taps * inGroups * 16);
  to.forEach((k, outChannel) => {
    from.forEach((c, inChannel) => {
      for (let tap = 0; tap < taps; tap += 1) {
        const source = transposed
          ? inChannel * outputs + outChannel
          : outChannel * inputs + inChannel;
        // A transposed convolution is a 1 × 1 convolution with the output groups of its corners one after another.
        const matrix = transposed
          ? (tap * outGroups + Math.floor(k / 4)) * inGroups
          : (Math.floor(k / 4) * taps + tap) * inGroups;
        const at = (matrix + Math.floor(c / 4)) * 16 + (c % 4) * 4 + (k % 4);
        matrices[at] = weight[source * taps + tap] ?? 0;
      }
    });
  });
  const bias = new Float32Array(perChannel.length * outGroups * 4);
  perChannel.forEach((values, part) => {
    to.forEach((k, channel) => {
      bias[part * outGroups * 4 + k] = values[channel] ?? 0;
    });
  });
  return { matrices, bias };
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
