import type { Capabilities } from '../gpu/capabilities.ts';
import {
  type Block,
  type ConvolutionNode,
  channelsOf,
  type FeatureMap,
  type Graph,
  type Node,
  placeOf,
} from './graph.ts';

/**
 * The graph with fewer convolutions: one without an activation, and the only one that reads it, are one whose weights are the product of
 * theirs. Done where that is less work. The weights stay those of the file: `pack-weights.ts` multiplies them.
 */
export function foldLinear(graph: Graph, capabilities: Pick<Capabilities, 'software'>): Graph {
  const readers = readersOf(graph);
  const folded = new Map<ConvolutionNode, ConvolutionNode | null>();
  for (const first of graph.nodes) {
    if (first.op !== 'convolution' || first.activation !== 'none' || first.residual) continue;
    const [second, ...others] = readers.get(placeOf(first.output).block) ?? [];
    const isOnly = others.length === 0 && second?.input === first.output;
    if (!second || !isOnly || folded.has(first)) continue;
    const both = joined(first, second, capabilities);
    if (!both) continue;
    folded.set(first, null).set(second, both);
  }
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.op !== 'convolution') return [node];
    const now = folded.get(node);
    return now === null ? [] : [now ?? node];
  });
  return { ...graph, nodes };
}

/** Who reads a block, or something of it; null: what is no convolution of it. */
function readersOf({ nodes, outputs }: Graph): Map<Block, (ConvolutionNode | null)[]> {
  const readers = new Map<Block, (ConvolutionNode | null)[]>();
  const read = (map: FeatureMap, by: ConvolutionNode | null): void => {
    const { block } = placeOf(map);
    readers.set(block, [...(readers.get(block) ?? []), by]);
  };
  for (const node of nodes) {
    read(node.input, node.op === 'convolution' ? node : null);
    if ('residual' in node && node.residual) read(node.residual, null);
  }
  for (const map of Object.values(outputs)) read(map, null);
  return readers;
}

/** One convolution for two, or null where there is none or it would be more work. */
function joined(
  first: ConvolutionNode,
  second: ConvolutionNode,
  { software }: Pick<Capabilities, 'software'>,
): ConvolutionNode | null {
  const [inputs, middle, outputs] = [first.input, first.output, second.output].map(({ parts }) =>
    channelsOf(parts),
  ) as [number, number, number];
  const { input } = first;
  const folded = [first, second] as const;
  if (isPointwise(first) && isPointwise(second)) {
    const isLess = inputs * outputs <= (inputs + outputs) * middle;
    return isLess ? { ...second, input, folded } : null;
  }
  // Products of an output pixel. GPUs share the input among all channels, and so would read four windows for each.
  const isLess = 4 * inputs * outputs <= (inputs + 9 * outputs) * middle;
  if (!(first.transposed && isThreeByThree(second) && isLess && software)) return null;
  return { ...second, input, folded, transposed: true, kernel: 4, stride: 2 };
}

function isPointwise({ kernel, stride, transposed }: ConvolutionNode): boolean {
  return kernel === 1 && stride === 1 && !transposed;
}

function isThreeByThree({ kernel, stride, dilation, transposed }: ConvolutionNode): boolean {
  return kernel === 3 && stride === 1 && dilation === 1 && !transposed;
}
