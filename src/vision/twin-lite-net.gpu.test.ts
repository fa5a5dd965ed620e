import { describe, expect, it } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { fetchData, fetchFile, hasData } from '../testing/data.ts';
import { mapOf, readFloats } from '../testing/network-maps.ts';
import { Network } from './network.ts';
import { twinLiteNet } from './twin-lite-net.ts';
import { WeightFile } from './weight-file.ts';

const [height, width] = [48, 64];
const pixels = height * width;

describe.skipIf(!hasData())('TwinLiteNet, its published weights, against PyTorch', () => {
  it('gives the same logits and masks of a small still', async () => {
    const gpu = await Gpu.create();
    const weights = new WeightFile(await fetchData('weights/twinlitenet.safetensors'));
    const path = '/e2e/fixtures/vision/twin-lite-net.reference.safetensors';
    const reference = new WeightFile(await fetchFile(path));
    const network = await Network.create(gpu, twinLiteNet(height, width), weights, 'f32');
    const image = reference.values('image', [3, height, width]);
    const input = Float32Array.from({ length: pixels * 4 }, (_, i) =>
      i % 4 === 3 ? 0 : (image[(i % 4) * pixels + Math.floor(i / 4)] ?? 0),
    );
    gpu.write(network.arena, network.input.offset * 16, input);
    gpu.submit(network.dispatches, 1);
    const arena = await readFloats(gpu, network.arena);
    for (const name of ['drivable', 'lanes']) {
      const expected = reference.values(name, [2, height, width]);
      const actual = mapOf(arena, network.output(name));
      let [worst, agreed] = [0, 0];
      for (let pixel = 0; pixel < pixels; pixel += 1) {
        const [back = 0, front = 0] = actual.subarray(pixel * 4, pixel * 4 + 2);
        const [wantedBack = 0, wantedFront = 0] = [expected[pixel], expected[pixels + pixel]];
        const difference = Math.max(Math.abs(back - wantedBack), Math.abs(front - wantedFront));
        worst = Math.max(worst, difference);
        if (front > back === wantedFront > wantedBack) agreed += 1;
      }
      console.info(`${name}: largest difference ${worst}, ${agreed} of ${pixels} pixels agree`);
      expect(worst, name).toBeLessThanOrEqual(1e-4);
      expect(agreed / pixels, name).toBeGreaterThanOrEqual(0.995);
    }
    network.dispose();
    expect(gpu.stats().gpuBytes).toBe(0);
    gpu.dispose();
  });
});
