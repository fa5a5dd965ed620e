/** A detector's network without the way in and out, for `bench:frames`: what onnxruntime-web is timed at. `window.openNetwork` opens it. */
import { Gpu } from '../../src/gpu/gpu.ts';
import { detectorConfig } from '../../src/vision/detector-config.ts';
import { Network } from '../../src/vision/network.ts';
import { WeightFile } from '../../src/vision/weight-file.ts';

/** A frame's work, submitted, and the end of all that was. Input and outputs stay on the GPU. */
export interface OpenNetwork {
  submit(): void;
  done(): Promise<undefined>;
}

async function openNetwork(bytes: Uint8Array): Promise<OpenNetwork> {
  const gpu = await Gpu.create({ powerPreference: 'high-performance' });
  const file = new WeightFile(bytes);
  const { graph, height, width } = detectorConfig(file);
  const storage = gpu.capabilities.f16 ? 'f16' : 'f32';
  const network = await Network.create(gpu, graph(height, width), file, storage);
  return {
    submit: () => gpu.submit(network.dispatches, 1),
    done: () => gpu.device.queue.onSubmittedWorkDone(),
  };
}

Object.assign(window, { openNetwork });
