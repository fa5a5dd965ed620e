import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { fetchFile } from '../testing/data.ts';
import { arenaWith } from '../testing/feature-maps.ts';
import { mapOf, readFloats } from '../testing/network-maps.ts';
import { detectorConfig } from './detector-config.ts';
import { channelsOf, type Graph } from './graph.ts';
import { Network } from './network.ts';
import { WeightFile } from './weight-file.ts';

const folder = '/e2e/fixtures/vision';
const [height, width] = [32, 64];
const maxDifference = 1e-4;

describe('a network against PyTorch', () => {
  let gpu: Gpu;
  let weights: WeightFile;
  let reference: WeightFile;
  let graph: Graph;
  beforeAll(async () => {
    gpu = await Gpu.create();
    weights = new WeightFile(await fetchFile(`${folder}/a-yolom-tiny.safetensors`));
    reference = new WeightFile(await fetchFile(`${folder}/a-yolom-tiny.reference.safetensors`));
    graph = detectorConfig(weights).graph(height, width);
  });
  afterAll(() => gpu.dispose());

  /** PyTorch's answer for an output of the graph: boxes and score of a scale stand together there. */
  function answer(name: string): Float32Array {
    const map = graph.outputs[name];
    if (!map) throw new Error(name);
    const pixels = map.height * map.width;
    const scale = /^(box|score)(\d)$/.exec(name);
    if (!scale) return reference.values(name, [2, map.height, map.width]);
    const both = reference.values(`detect.${scale[2]}`, [65, map.height, map.width]);
    return scale[1] === 'box' ? both.subarray(0, 64 * pixels) : both.subarray(64 * pixels);
  }

  it('gives the same logits, frame after frame, with nothing allocated', async () => {
    const network = await Network.create(gpu, graph, weights, 'f32');
    const image = reference.values('image', [3, height, width]);
    const before = gpu.stats();
    for (let frame = 0; frame < 3; frame += 1) {
      writeImage(gpu, network, image);
      gpu.submit(network.dispatches, 1);
    }
    expect(gpu.stats().buffers).toBe(before.buffers);
    expect(gpu.stats().calls.bindGroups).toBe(before.calls.bindGroups);
    const arena = await readFloats(gpu, network.arena);
    for (const [name, map] of Object.entries(graph.outputs)) {
      const expected = answer(name);
      const actual = channelsFirst(mapOf(arena, network.output(name)), channelsOf(map.parts), map);
      expect(actual.length, name).toBe(channelsOf(map.parts) * map.height * map.width);
      const worst = actual.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? Number.NaN))),
        0,
      );
      expect(worst, name).toBeLessThanOrEqual(maxDifference);
    }
    network.dispose();
    expect(gpu.stats().gpuBytes).toBe(0);
  });
});

/** Channels last, a fourth of zeros, into the place of the input. */
function writeImage(gpu: Gpu, network: Network, image: Float32Array): void {
  const { input } = network;
  const pixels = input.height * input.width;
  const values = Float32Array.from({ length: pixels * 4 }, (_, i) =>
    i % 4 === 3 ? 0 : (image[(i % 4) * pixels + Math.floor(i / 4)] ?? 0),
  );
  const placed = arenaWith(new Float32Array((pixels + 1) * 4), [[{ ...input, offset: 1 }, values]]);
  gpu.write(network.arena, input.offset * 16, placed.subarray(4));
}

/** [height, width, whole groups] → [channels, height, width], as PyTorch has it. */
function channelsFirst(
  values: Float32Array,
  channels: number,
  { height, width }: { height: number; width: number },
): Float32Array {
  const pixels = height * width;
  const stored = values.length / pixels;
  return Float32Array.from({ length: channels * pixels }, (_, i) => {
    return values[(i % pixels) * stored + Math.floor(i / pixels)] ?? 0;
  });
}
