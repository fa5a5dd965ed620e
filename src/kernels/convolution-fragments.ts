import { type ConvolutionUse, convolutionShape, weightGroups } from './convolution.ts';

/** Edge of the fragments that subgroups multiply. */
export const fragmentChannels = 16;

/** What of a use its weights depend on. `groups` are output groups of the weights: those of all corners of a transposed convolution. */
interface FragmentShape {
  taps: number;
  inGroups: number;
  groups: number;
}

/** Fragments that the weights of a use take. */
export function fragmentCount({ taps, inGroups, groups }: FragmentShape): number {
  return Math.ceil(groups / 4) * taps * Math.ceil(inGroups / 4);
}

/**
 * Weights for `convolution-matrix` out of those for `convolution`: [output group][tap][input group][4 inputs][4 outputs] becomes
 * [output block][tap][input block][16 outputs][16 inputs], with zeros for the channels that fill a block.
 */
export function toFragments(
  matrices: Float32Array,
  shape: FragmentShape,
): Float32Array<ArrayBuffer> {
  const { taps, inGroups, groups } = shape;
  const inBlocks = Math.ceil(inGroups / 4);
  const fragments = new Float32Array(fragmentCount(shape) * fragmentChannels ** 2);
  for (let matrix = 0; matrix < groups * taps * inGroups; matrix += 1) {
    const inGroup = matrix % inGroups;
    const tap = Math.floor(matrix / inGroups) % taps;
    const group = Math.floor(matrix / (inGroups * taps));
    const block = (Math.floor(group / 4) * taps + tap) * inBlocks + Math.floor(inGroup / 4);
    for (let i = 0; i < 16; i += 1) {
      const [input, output] = [(inGroup % 4) * 4 + Math.floor(i / 4), (group % 4) * 4 + (i % 4)];
      const at = (block * fragmentChannels + output) * fragmentChannels + input;
      fragments[at] = matrices[matrix * 16 + i] ?? 0;
    }
  }
  return fragments;
}

/** The shape of the weights of a use. */
export function fragmentShape(use: ConvolutionUse): FragmentShape {
  return {
    taps: convolutionShape(use).KERNEL ** 2,
    inGroups: use.input.groups,
    groups: weightGroups(use),
  };
}
