import type { Capabilities } from '../gpu/capabilities.ts';
import { foldLinear } from './fold-linear.ts';
import type { Graph } from './graph.ts';
import { growLater } from './grow-later.ts';

/** A graph that gives the same with less work: what a network runs of the graph that describes it. */
export function reducedGraph(graph: Graph, capabilities: Pick<Capabilities, 'software'>): Graph {
  const folded = foldLinear(graph, capabilities);
  // Measured on software adapters alone; GPUs wait for the number of dispatches rather than for products.
  return capabilities.software ? growLater(folded) : folded;
}
