import { batchNorm, besideOf, normBeside } from './batch-norm.ts';
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

/**
 * Reads `name.weight` [K, C, h, w] (transposed: [C, K, 2, 2]) and `name.bias` [K]. A normalization beside it (`a.bn` of `a.conv`) is
 * folded in; slopes of PReLU stand beside it too: `a.act.weight` [K].
 */
export function packConvolution(node: ConvolutionNode, file: WeightFile): PackedConvolution {
  const { name, kernel, transposed, activation, input, output } = node;
  const [inputs, outputs] = [channelsOf(input.parts), channelsOf(output.parts)];
  const ends = transposed ? [inputs, outputs] : [outputs, inputs];
  const weight = file.values(`${name}.weight`, [...ends, kernel, kernel]);
  const norm = normBeside(file, name, outputs);
  const hasBias = node.bias && !norm;
  const own = hasBias ? file.values(`${name}.bias`, [outputs]) : new Float32Array(outputs);
  const perChannel = [norm?.shift ?? own];
  if (activation === 'prelu')
    perChannel.push(file.values(`${besideOf(name, 'act')}.weight`, [outputs]));
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
        matrices[at] = (weight[source * taps + tap] ?? 0) * (norm?.scale[outChannel] ?? 1);
      }
    });
  });
  return { matrices, bias: inGroupsOfFour(perChannel, output.parts) };
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
