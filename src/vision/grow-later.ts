import {
  type ConvolutionNode,
  channelsOf,
  type FeatureMap,
  type Graph,
  groupsOf,
  isPointwise,
  type Node,
  placeOf,
  readersOf,
} from './graph.ts';

type Resample = Extract<Node, { op: 'resample' }>;

/**
 * The graph with less work in its 1 × 1 convolutions of [a map grown to twice its size, another map]: the first one's channels are
 * multiplied before they grow, for a quarter of the products, and what comes of them is added to the sums of the rest.
 */
export function growLater(graph: Graph): Graph {
  const resamples = graph.nodes.filter((node) => node.op === 'resample');
  const readers = readersOf(graph);
  const instead = new Map<Node, readonly Node[]>();
  for (const growth of resamples.filter(doubles)) {
    const { block, group } = placeOf(growth.output);
    const end = group + groupsOf(growth.output.parts);
    // Others may read what stands behind it.
    const [reader, ...others] = (readers.get(block) ?? []).filter(
      ({ map }) => placeOf(map).group < end,
    );
    const node = reader?.node;
    if (group > 0 || others.length > 0 || node?.op !== 'convolution' || !canSplit(node)) continue;
    const copy = resamples.find(({ output }) => output !== growth.output && output.block === block);
    instead.set(growth, []).set(node, split(node, growth, copy));
    if (copy) instead.set(copy, []);
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => instead.get(node) ?? [node]) };
}

function doubles({ filter, input, output }: Resample): boolean {
  const isTwice = output.height === input.height * 2 && output.width === input.width * 2;
  return filter === 'nearest' && isTwice;
}

/** Reads two maps side by side and adds nothing yet. */
function canSplit(node: ConvolutionNode): boolean {
  const { input, residual } = node;
  return isPointwise(node) && !residual && !input.of && input.parts.length === 2;
}

/** Two for one. The other map is read where it stands, if it was copied beside the grown one. */
function split(
  node: ConvolutionNode,
  { input }: Resample,
  copy: Resample | undefined,
): readonly Node[] {
  const [first = 0, second = 0] = node.input.parts;
  const apart = { block: null, group: 0, of: null };
  const { height, width } = input;
  const output: FeatureMap = { ...node.output, height, width, ...apart };
  const of = { map: node.input, group: groupsOf([first]) };
  const rest = copy?.input ?? { ...node.input, parts: [second], ...apart, of };
  const all = channelsOf(node.input.parts);
  return [
    { ...node, input, output, activation: 'none', share: { from: 0, to: first, of: all } },
    {
      ...node,
      input: rest,
      residual: output,
      grows: true,
      share: { from: first, to: all, of: all },
    },
  ];
}
