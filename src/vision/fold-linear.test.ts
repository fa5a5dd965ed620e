import { describe, expect, it } from 'vitest';
import { convolutionReference } from '../kernels/convolution.ref.ts';
import { randomMap } from '../testing/feature-maps.ts';
import { Random } from '../testing/random.ts';
import { randomWeights } from '../testing/random-weights.ts';
import { aYolom } from './a-yolom.ts';
import { planArena } from './arena-plan.ts';
import { foldLinear } from './fold-linear.ts';
import type { FeatureMap, Graph, Node } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';
import { convolutionUse } from './network.ts';
import { packConvolution } from './pack-weights.ts';
import { WeightFile } from './weight-file.ts';

const software = { software: true };
const hardware = { software: false };

/** A convolution to four channels, what is made of it, and who else reads it. */
function chain(make: (graph: GraphBuilder) => Record<string, FeatureMap>): Graph {
  const graph = new GraphBuilder(5, 6, 3);
  return graph.build(make(graph));
}

const pointwise = chain((graph) => {
  const merged = graph.convolution('merge', graph.input, 7, { activation: 'none' });
  return { out: graph.convolution('enter', merged, 5) };
});
const grown = chain((graph) => {
  const larger = graph.transposedConvolution('grow', graph.input, 6, 'none');
  return { out: graph.convolution('mix', larger, 5, { kernel: 3 }) };
});

/** The output of a chain of convolutions in double precision. */
function run(graph: Graph, file: WeightFile, image: Float32Array): Float64Array {
  const plan = planArena(graph);
  let map: Float32Array | Float64Array = image;
  for (const node of graph.nodes) {
    if (node.op !== 'convolution') throw new Error(node.op);
    const { matrices, bias } = packConvolution(node, file);
    map = convolutionReference(convolutionUse(node, plan, 'f32'), map, matrices, bias);
  }
  return Float64Array.from(map);
}

const names = ({ nodes }: Graph): string[] =>
  nodes.map((node: Node) => ('name' in node ? node.name : node.op));

describe('convolutions folded into the next one', () => {
  it.each([
    ['1 × 1 behind 1 × 1', pointwise],
    ['3 × 3 behind a transposed one, borders and all', grown],
  ])('%s gives the same', (_, graph) => {
    const file = new WeightFile(randomWeights(graph, 821));
    const place = planArena(graph).place(graph.input);
    const image = randomMap(place, new Random(822)).map((value, i) => (i % 4 === 3 ? 0 : value));
    const folded = foldLinear(graph, software);
    expect(folded.nodes).toHaveLength(1);
    const expected = run(graph, file, image);
    const actual = run(folded, file, image);
    expect(actual).toHaveLength(expected.length);
    const worst = actual.reduce(
      (most, v, i) => Math.max(most, Math.abs(v - (expected[i] ?? 9))),
      0,
    );
    expect(worst).toBeLessThan(1e-6);
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
  });

  it('leaves GPUs the transposed ones', () => {
    expect(names(foldLinear(grown, hardware))).toEqual(['grow', 'mix']);
    expect(names(foldLinear(pointwise, hardware))).toEqual(['enter']);
  });

  it('leaves what others read, what has an activation, and what would be more work', () => {
    const options = { activation: 'none' } as const;
    const readTwice = chain((graph) => {
      const merged = graph.convolution('merge', graph.input, 8, options);
      const out = graph.convolution('enter', merged, 4);
      return {
        out: graph.convolution('leave', graph.concatenate([graph.tail(merged, 4), out]), 4),
      };
    });
    const isOutput = chain((graph) => {
      const merged = graph.convolution('merge', graph.input, 8, options);
      return { merged, out: graph.convolution('enter', merged, 4) };
    });
    const activated = chain((graph) => {
      return { out: graph.convolution('enter', graph.convolution('merge', graph.input, 8), 4) };
    });
    const narrow = chain((graph) => {
      const wide = graph.convolution('widen', graph.input, 32);
      const middle = graph.convolution('merge', wide, 4, options);
      return { out: graph.convolution('enter', middle, 32) };
    });
    for (const graph of [readTwice, isOutput, activated, narrow]) {
      expect(foldLinear(graph, software).nodes).toEqual(graph.nodes);
    }
  });

  it('takes eight of A-YOLOM’s convolutions, and two more on software adapters', () => {
    const stages = [16, 32, 64, 128, 256] as const;
    const graph = aYolom({ stages, boxWidth: 64, maskWidth: 32 }, 64, 96);
    const all = graph.nodes.length;
    expect(foldLinear(graph, hardware).nodes).toHaveLength(all - 8);
    expect(foldLinear(graph, software).nodes).toHaveLength(all - 10);
  });
});
