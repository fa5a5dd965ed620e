import { describe, expect, it } from 'vitest';
import { aYolom } from './a-yolom.ts';
import { planArena } from './arena-plan.ts';
import {
  type Block,
  channelsOf,
  type FeatureMap,
  type Graph,
  type Node,
  placeOf,
} from './graph.ts';
import { yoloV8 } from './yolov8.ts';

const widths = { n: [16, 32, 64, 128, 256], s: [32, 64, 128, 256, 512] } as const;
const model = (name: keyof typeof widths, height = 384, width = 672): Graph =>
  aYolom({ stages: widths[name], boxWidth: 64, maskWidth: 32 }, height, width);

/** As trained: a convolution with an activation has a normalization with two numbers a channel, which folding makes one. */
function trainedParameters({ nodes }: Graph): number {
  let count = 0;
  for (const node of nodes) {
    if (node.op !== 'convolution') continue;
    const outputs = channelsOf(node.output.parts);
    count += channelsOf(node.input.parts) * outputs * node.kernel ** 2;
    count += outputs * (node.activation === 'silu' ? 2 : 1);
  }
  return count;
}

describe('graphs', () => {
  it.each([
    ['n', 3_640_019],
    ['s', 13_605_859],
  ] as const)('A-YOLOM %s has the parameters of its description', (name, expected) => {
    const [bins, gates] = [16, 8];
    expect(trainedParameters(model(name)) + bins + gates).toBe(expected);
  });

  it('gives detections at three strides and masks at the size of the input', () => {
    const { outputs } = model('n');
    const sizes = Object.entries(outputs).map(([name, map]) => [
      name,
      map.height,
      map.width,
      ...map.parts,
    ]);
    expect(sizes).toEqual([
      ['box0', 48, 84, 64],
      ['score0', 48, 84, 1],
      ['box1', 24, 42, 64],
      ['score1', 24, 42, 1],
      ['box2', 12, 21, 64],
      ['score2', 12, 21, 1],
      ['drivable', 384, 672, 2],
      ['lanes', 384, 672, 2],
    ]);
  });

  it('YOLOv8 n has the parameters of its description', () => {
    const graph = yoloV8({ stages: widths.n, depth: 1, classes: 80 }, 640, 640);
    expect(trainedParameters(graph) + 16).toBe(3_157_200);
  });
});

/** Every map's rows of pixels, as ranges of elements of the arena. */
function elementsOf(map: FeatureMap, plan: ReturnType<typeof planArena>): [number, number] {
  const { offset, stride, height, width, groups } = plan.place(map);
  return [offset, offset + (height * width - 1) * stride + groups];
}

function mapsOf(node: Node): FeatureMap[] {
  const residual = 'residual' in node && node.residual ? [node.residual] : [];
  return [node.input, ...residual];
}

describe('the arena', () => {
  const graph = model('n', 64, 96);
  const plan = planArena(graph);

  it('never puts a map over one that is still read', () => {
    // The parts of a concatenation come one by one: it has to stay whole from the first one on.
    const firstWrite = new Map<Block, number>();
    graph.nodes.forEach(({ output }, at) => {
      const { block } = placeOf(output);
      if (!firstWrite.has(block)) firstWrite.set(block, at);
    });
    graph.nodes.forEach((reader, readAt) => {
      for (const map of mapsOf(reader)) {
        const [start, end] = elementsOf(map, plan);
        const from = firstWrite.get(placeOf(map).block) ?? -1;
        for (let at = from + 1; at <= readAt; at += 1) {
          const output = (graph.nodes[at] as Node).output;
          if (placeOf(output).block === placeOf(map).block) continue;
          const [first, last] = elementsOf(output, plan);
          expect(last <= start || first >= end, `node ${at} writes over what ${readAt} reads`).toBe(
            true,
          );
        }
      }
    });
  });

  it('is much smaller than all maps together, and leaves element 0 alone', () => {
    const blocks = new Set(graph.nodes.map(({ output }) => placeOf(output).block));
    const sum = [...blocks].reduce(
      (total, { height, width, groups }) => total + height * width * groups,
      0,
    );
    expect(plan.elements).toBeLessThan(sum / 2);
    for (const { output } of graph.nodes) expect(plan.place(output).offset).toBeGreaterThan(0);
  });
});
