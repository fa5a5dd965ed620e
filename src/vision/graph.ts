import type { ConvolutionActivation } from '../kernels/convolution.ts';

/** Channels of a map in the order in which they stand; each part begins at a whole group of four, padded with zeros. */
export type Parts = readonly number[];

/** A block of the arena: pixels of so many channel groups. Several maps stand in one that is a concatenation. */
export interface Block {
  height: number;
  width: number;
  groups: number;
}

/** A feature map: [height, width, channels]. It gets its place when a node needs it in one: see `GraphBuilder`. */
export interface FeatureMap {
  height: number;
  width: number;
  parts: Parts;
  /** The block it stands in and its first channel group there. */
  block: Block | null;
  group: number;
  /** This map is channels of another one, from this group on. */
  of: { map: FeatureMap; group: number } | null;
}

interface Between {
  input: FeatureMap;
  output: FeatureMap;
}

export interface ConvolutionNode extends Between {
  op: 'convolution';
  name: string;
  kernel: number;
  stride: number;
  dilation: number;
  transposed: boolean;
  activation: ConvolutionActivation;
  /** Does the file have biases? Else they are those of the normalization, or none. */
  bias: boolean;
  residual: FeatureMap | null;
  /** The two of the file that this one does the work of: see `fold-linear.ts`. */
  folded?: readonly [first: ConvolutionNode, second: ConvolutionNode];
}

/** One step of a network. Weights are named as in the file: see `pack-weights.ts`. */
export type Node =
  | ConvolutionNode
  | (Between & { op: 'affine'; name: string; residual: FeatureMap | null })
  | (Between & { op: 'channel-attention'; name: string })
  | (Between & { op: 'pool'; kind: 'maximum' | 'mean'; window: number; stride: number })
  | (Between & { op: 'resample'; filter: 'nearest' | 'bilinear' });

/** A network as data: its steps in the order in which they run, and what goes in and comes out. */
export interface Graph {
  input: FeatureMap;
  nodes: readonly Node[];
  outputs: Readonly<Record<string, FeatureMap>>;
}

export function groupsOf(parts: Parts): number {
  return parts.reduce((total, channels) => total + Math.ceil(channels / 4), 0);
}

export function channelsOf(parts: Parts): number {
  return parts.reduce((total, channels) => total + channels, 0);
}

/** The block that a map stands in, and its first group there. */
export function placeOf(map: FeatureMap): { block: Block; group: number } {
  if (map.of) {
    const { block, group } = placeOf(map.of.map);
    return { block, group: group + map.of.group };
  }
  map.block ??= { height: map.height, width: map.width, groups: groupsOf(map.parts) };
  return { block: map.block, group: map.group };
}
