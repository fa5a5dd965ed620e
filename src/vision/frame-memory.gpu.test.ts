import { expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { randomWeights } from '../testing/random-weights.ts';
import type { DetectorConfig } from './detector-config.ts';
import { FrameDetector } from './frame-detector.ts';
import type { Graph } from './graph.ts';
import { GraphBuilder } from './graph-builder.ts';

const frames = 1000;

/** Boxes of one stride and both masks, from five convolutions. */
function smallGraph(height: number, width: number): Graph {
  const graph = new GraphBuilder(height, width, 3);
  const cells = graph.convolution('cells', graph.input, 8, { kernel: 3, stride: 8 });
  const mask = (name: string) => graph.convolution(name, graph.input, 2, { activation: 'none' });
  const detect = (name: string, channels: number) =>
    graph.convolution(name, cells, channels, { activation: 'none' });
  return graph.build({
    box0: detect('box', 64),
    score0: detect('score', 1),
    drivable: mask('drivable'),
    lanes: mask('lanes'),
  });
}

const config: DetectorConfig = {
  architecture: 'small',
  name: 'Small',
  height: 32,
  width: 32,
  fit: 'letterbox',
  labels: ['vehicle'],
  graph: smallGraph,
};

/** A picture whose colour says which frame it is. */
function picture(canvas: OffscreenCanvas, frame: number): OffscreenCanvas {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no 2d context');
  context.fillStyle = `hsl(${frame} 80% 50%)`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}

const memoryOf = (gpu: Gpu): number[] => {
  const { gpuBytes, buffers, pipelines, calls } = gpu.stats();
  return [gpuBytes, buffers, pipelines, calls.bindGroups];
};

it('answers a thousand frames in the same memory, with nothing made anew', async () => {
  const gpu = await Gpu.create();
  const weights = randomWeights(smallGraph(config.height, config.width), 97);
  const detector = await FrameDetector.create(gpu, weights, config);
  const canvas = new OffscreenCanvas(48, 32);
  const threshold = 0.4;
  const first = await detector.detect(picture(canvas, 0), { threshold });
  expect(first.boxes.length).toBeGreaterThan(0);
  const before = memoryOf(gpu);
  for (let frame = 1; frame < frames; frame += 1) await detector.detect(picture(canvas, frame));
  const last = await detector.detect(picture(canvas, 0), { threshold });
  expect(last.boxes).toEqual(first.boxes);
  expect(memoryOf(gpu)).toEqual(before);
  await detector.dispose();
  expect(gpu.stats().gpuBytes).toBe(0);
  gpu.dispose();
});
