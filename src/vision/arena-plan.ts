import type { MapPlace } from '../kernels/feature-map.ts';
import { type Block, type FeatureMap, type Graph, groupsOf, placeOf } from './graph.ts';

/** Blocks begin at multiples of this many elements, so that rows of pixels stay aligned. */
const alignment = 16;

/** Where every map of a graph stands in one buffer; blocks that never live together share their room. */
export interface ArenaPlan {
  /** Elements of four channels. Element 0 is the zero that padding reads. */
  elements: number;
  place(map: FeatureMap): MapPlace;
}

interface Life {
  block: Block;
  elements: number;
  /** First and last node that uses the block. */
  from: number;
  to: number;
  offset: number;
}

/** Largest blocks first, each at the lowest offset that is free during its whole life. */
export function planArena(graph: Graph): ArenaPlan {
  const lives = [...livesOf(graph).values()].sort((a, b) => b.elements - a.elements);
  const placed: Life[] = [];
  for (const life of lives) {
    const neighbours = placed
      .filter((other) => other.from <= life.to && other.to >= life.from)
      .sort((a, b) => a.offset - b.offset);
    let offset = alignment;
    for (const other of neighbours) {
      if (offset + life.elements <= other.offset) break;
      offset = Math.max(offset, other.offset + other.elements);
    }
    life.offset = offset;
    placed.push(life);
  }
  const offsets = new Map(placed.map(({ block, offset }) => [block, offset]));
  return {
    elements: Math.max(...placed.map(({ offset, elements }) => offset + elements)),
    place: (map) => {
      const { block, group } = placeOf(map);
      const offset = offsets.get(block);
      if (offset === undefined) throw new Error('the map is no part of the graph');
      const { height, width, parts } = map;
      return {
        offset: offset + group,
        stride: block.groups,
        groups: groupsOf(parts),
        height,
        width,
      };
    },
  };
}

/** The input lives from before the first node, outputs to after the last one. */
function livesOf(graph: Graph): Map<Block, Life> {
  const lives = new Map<Block, Life>();
  const use = (map: FeatureMap, at: number): void => {
    const { block } = placeOf(map);
    const elements = Math.ceil((block.height * block.width * block.groups) / alignment) * alignment;
    const life = lives.get(block) ?? { block, elements, from: at, to: at, offset: 0 };
    life.from = Math.min(life.from, at);
    life.to = Math.max(life.to, at);
    lives.set(block, life);
  };
  use(graph.input, -1);
  graph.nodes.forEach((node, at) => {
    use(node.input, at);
    use(node.output, at);
    if ('residual' in node && node.residual) use(node.residual, at);
  });
  for (const map of Object.values(graph.outputs)) use(map, graph.nodes.length);
  return lives;
}
