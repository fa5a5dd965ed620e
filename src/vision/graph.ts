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
  /** The residual is half as high and wide: each of its pixels is added to four, before the activation. */
  grows?: boolean;
  /** Which input channels of the file's convolution this one has; that with the last ones has the bias. See `grow-later.ts`. */
  share?: { from: number; to: number; of: number };
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

export function isPointwise({ kernel, stride, transposed }: ConvolutionNode): boolean {
  return kernel === 1 && stride === 1 && !transposed;
}

interface Reader {
  map: FeatureMap;
  /** Null: whoever reads the outputs of the graph. */
  node: Node | null;
}

/** Who reads a block, or something of it. */
export function readersOf({ nodes, outputs }: Graph): Map<Block, Reader[]> {
  const readers = new Map<Block, Reader[]>();
  const read = (map: FeatureMap, node: Node | null): void => {
    const { block } = placeOf(map);
    readers.set(block, [...(readers.get(block) ?? []), { map, node }]);
  };
  for (const node of nodes) {
    read(node.input, node);
    if ('residual' in node && node.residual) read(node.residual, node);
  }
  for (const map of Object.values(outputs)) read(map, null);
  return readers;
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
