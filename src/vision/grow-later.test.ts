import { describe, expect, it } from 'vitest';
import { aYolom } from './a-yolom.ts';
import type { FeatureMap, Graph } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import { growLater } from './grow-later.ts';
import { reducedGraph } from './reduced-graph.ts';

const operations = ({ nodes }: Graph): string[] => nodes.map(({ op }) => op);

/** [a map grown to the input's size, another one], and what reads them. */
function grown(
  read: (graph: GraphBuilder, both: FeatureMap, up: FeatureMap) => Record<string, FeatureMap>,
): Graph {
  const graph = new GraphBuilder(8, 12, 3);
  const small = graph.convolution('small', graph.input, 8, { kernel: 3, stride: 2 });
  const skip = graph.convolution('skip', graph.input, 4, { kernel: 3 });
  const up = graph.up(small);
  return graph.build(read(graph, graph.concatenate([up, skip]), up));
}

// That the numbers stay the same is tested against PyTorch: network.gpu.test.ts.
describe('growing behind the convolution', () => {
  it('multiplies the small map, and the other one where it stands', () => {
    const graph = grown((builder, both) => ({ out: builder.convolution('read', both, 4) }));
    const later = growLater(graph);
    expect(operations(later)).toEqual(Array(4).fill('convolution'));
    const [, , small, rest] = later.nodes;
    expect(small).toMatchObject({
      input: graph.nodes[0]?.output,
      activation: 'none',
      share: { from: 0, to: 8, of: 12 },
    });
    expect(small?.output).toMatchObject({ height: 4, width: 6, parts: [4] });
    expect(rest).toMatchObject({
      input: { parts: [4] },
      output: graph.outputs.out,
      residual: small?.output,
      grows: true,
      share: { from: 8, to: 12, of: 12 },
    });
  });

  it('leaves what is read at its full size by others, and wider windows', () => {
    const twice = grown((builder, both, up) => ({
      out: builder.convolution('read', both, 4),
      more: builder.convolution('again', up, 4),
    }));
    const wide = grown((builder, both) => ({
      out: builder.convolution('read', both, 4, { kernel: 3 }),
    }));
    for (const graph of [twice, wide]) expect(growLater(graph).nodes).toEqual(graph.nodes);
  });

  it('leaves A-YOLOM no copies on software adapters, and GPUs their dispatches', () => {
    const stages = [16, 32, 64, 128, 256] as const;
    const graph = aYolom({ stages, boxWidth: 64, maskWidth: 32 }, 64, 96);
    expect(operations(reducedGraph(graph, { software: true }))).not.toContain('resample');
    const onGpu = operations(reducedGraph(graph, { software: false }));
    expect(onGpu.filter((op) => op === 'resample')).toHaveLength(
      operations(graph).filter((op) => op === 'resample').length,
    );
  });
});
