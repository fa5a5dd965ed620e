import type { Capabilities } from '../gpu/capabilities.ts';
import {
  type ConvolutionNode,
  channelsOf,
  type Graph,
  isPointwise,
  type Node,
  placeOf,
  readersOf,
} from './graph.ts';

/**
 * The graph with fewer convolutions: one without an activation, and the only one that reads it, are one whose weights are the product of
 * theirs. Done where that is less work. The weights stay those of the file: `layer-weights.ts` multiplies them.
 */
export function foldLinear(graph: Graph, capabilities: Pick<Capabilities, 'software'>): Graph {
  const readers = readersOf(graph);
  const folded = new Map<ConvolutionNode, ConvolutionNode | null>();
  for (const first of graph.nodes) {
    if (first.op !== 'convolution' || first.activation !== 'none' || first.residual) continue;
    const [reader, ...others] = readers.get(placeOf(first.output).block) ?? [];
    const second = reader?.node;
    if (others.length > 0 || second?.op !== 'convolution' || folded.has(first)) continue;
    if (second.input !== first.output) continue;
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

function isThreeByThree({ kernel, stride, dilation, transposed }: ConvolutionNode): boolean {
  return kernel === 3 && stride === 1 && dilation === 1 && !transposed;
}
