import type { Capabilities } from '../../src/gpu/capabilities.ts';
import type { Dispatch, Gpu } from '../../src/gpu/gpu.ts';
import { prepareDispatch } from '../../src/gpu/kernel.ts';
import { createSharedParams } from '../../src/gpu/shared-params.ts';
import {
  biasesOf,
  type ConvolutionUse,
  convolution,
  convolutionShape,
} from '../../src/kernels/convolution.ts';
import { fragmentCount, fragmentShape } from '../../src/kernels/convolution-fragments.ts';
import { convolutionMatrix, convolvesByMatrices } from '../../src/kernels/convolution-matrix.ts';
import type { MapStorage } from '../../src/kernels/feature-map.ts';
import { pool } from '../../src/kernels/pool.ts';
import { resample } from '../../src/kernels/resample.ts';
import { aYolom } from '../../src/vision/a-yolom.ts';
import { type ArenaPlan, planArena } from '../../src/vision/arena-plan.ts';
import type { Graph } from '../../src/vision/graph.ts';
import { convolutionUse } from '../../src/vision/network.ts';
import { reducedGraph } from '../../src/vision/reduced-graph.ts';
import { detectorInput, detectorOf } from '../detectors.ts';
import { fill } from './random-buffer.ts';
import { medianMicroseconds, type TimedKernel } from './time-kernel.ts';

export interface FrameTime {
  network: string;
  adapter: string;
  storage: MapStorage;
  dispatches: number;
  /** Of the network alone: no letterbox, no boxes. */
  microseconds: number;
}

function networkOf(name: string, capabilities: Capabilities): { graph: Graph; plan: ArenaPlan } {
  const described = aYolom(detectorOf(name), detectorInput.height, detectorInput.width);
  const graph = reducedGraph(described, capabilities);
  return { graph, plan: planArena(graph) };
}

/** Bytes of the buffers that one convolution reads; sums over channels that only pad a group of four are counted. */
function sizesOf(use: ConvolutionUse, elements: number) {
  const { input, output, kernel, storage } = use;
  const numberBytes = storage === 'f16' ? 2 : 4;
  return {
    arena: elements * 4 * numberBytes,
    weights: Math.max(
      output.groups * input.groups * kernel ** 2 * 16 * numberBytes,
      fragmentCount(fragmentShape(use)) * 256 * numberBytes,
    ),
    bias: output.groups * 16 * (biasesOf(use) + 1),
  };
}

function titleOf(network: string, { input, output, ...use }: ConvolutionUse): string {
  const kind = use.transposed
    ? `transposed ${use.kernel}x${use.kernel}`
    : `${use.kernel}x${use.kernel}/${use.stride}`;
  const ends = `${input.groups * 4}-${output.groups * 4}`;
  return `vision ${network} ${ends} ${kind} to ${output.height}x${output.width}`;
}

/** Every distinct convolution of a network; the title ends with how often a frame has it. */
export function timedConvolutions(
  network: string,
  capabilities: Capabilities,
): TimedKernel<ConvolutionUse>[] {
  const storage: MapStorage = capabilities.f16 ? 'f16' : 'f32';
  const { graph, plan } = networkOf(network, capabilities);
  const layers = new Map<string, { use: ConvolutionUse; count: number }>();
  for (const node of graph.nodes) {
    if (node.op !== 'convolution') continue;
    const use = convolutionUse(node, plan, storage);
    const title = titleOf(network, use);
    layers.set(title, { use, count: (layers.get(title)?.count ?? 0) + 1 });
  }
  return [...layers].flatMap(([title, { use, count }]) => {
    const { input, output } = use;
    const pixels = output.height * output.width;
    const kernels = convolvesByMatrices(use, capabilities)
      ? [convolution, convolutionMatrix]
      : [convolution];
    const products = input.groups * output.groups * 16 * convolutionShape(use).KERNEL ** 2;
    return kernels.map((kernel) => ({
      title: `${title} (${count})`,
      kernel,
      use,
      rows: 1,
      bytes: sizesOf(use, plan.elements),
      flops: 2 * pixels * products,
    }));
  });
}

/** Times all dispatches of a network's frame, one after another as a frame has them, with random weights. */
export async function timeNetwork(gpu: Gpu, network: string): Promise<FrameTime> {
  const storage: MapStorage = gpu.capabilities.f16 ? 'f16' : 'f32';
  const { graph, plan } = networkOf(network, gpu.capabilities);
  const owned: GPUBuffer[] = [];
  const create = (name: string, bytes: number): GPUBuffer => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = gpu.createBuffer(name, bytes, usage);
    owned.push(buffer);
    fill(gpu, buffer);
    return buffer;
  };
  const arena = create('arena', plan.elements * (storage === 'f16' ? 8 : 16));
  const prepared = graph.nodes.map((node): Promise<Dispatch> => {
    const [input, output] = [plan.place(node.input), plan.place(node.output)];
    if (node.op === 'pool') {
      return prepareDispatch(gpu, pool, { ...node, storage, input, output }, { arena });
    }
    if (node.op === 'resample') {
      return prepareDispatch(gpu, resample, { ...node, storage, input, output }, { arena });
    }
    if (node.op !== 'convolution') throw new Error(`no network timed here has '${node.op}'`);
    const use = convolutionUse(node, plan, storage);
    const bytes = sizesOf(use, plan.elements);
    const weights = create('weights', bytes.weights);
    const matrices = convolvesByMatrices(use, gpu.capabilities);
    const kernel = matrices ? convolutionMatrix : convolution;
    const shared = createSharedParams(gpu, kernel, use);
    if (shared.params) owned.push(shared.params);
    const bias = create('bias', bytes.bias);
    return prepareDispatch(gpu, kernel, use, { arena, weights, bias, ...shared });
  });
  const dispatches = await Promise.all(prepared);
  const microseconds = dispatches.length * (await medianMicroseconds(gpu, dispatches, 1));
  for (const buffer of owned) gpu.destroyBuffer(buffer);
  const adapter = gpu.capabilities.software ? 'software' : 'hardware';
  return { network, adapter, storage, dispatches: dispatches.length, microseconds };
}
