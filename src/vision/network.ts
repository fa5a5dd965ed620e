import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { createSharedParams } from '../gpu/shared-params.ts';
import { channelAffine } from '../kernels/channel-affine.ts';
import { channelAttention } from '../kernels/channel-attention.ts';
import { type ConvolutionUse, convolution } from '../kernels/convolution.ts';
import { fragmentShape, toFragments } from '../kernels/convolution-fragments.ts';
import { convolutionMatrix, convolvesByMatrices } from '../kernels/convolution-matrix.ts';
import type { MapPlace, MapStorage } from '../kernels/feature-map.ts';
import { pool } from '../kernels/pool.ts';
import { resample } from '../kernels/resample.ts';
import { numberToHalf } from '../quant/half.ts';
import { type ArenaPlan, planArena } from './arena-plan.ts';
import { type ConvolutionNode, channelsOf, type Graph, type Node } from './graph.ts';
import { packAffine, packConvolution } from './pack-weights.ts';
import { reducedGraph } from './reduced-graph.ts';
import type { WeightFile } from './weight-file.ts';

/** Bindings begin at multiples of this (the WebGPU default of both offset alignments). */
const bindingAlignment = 256;

/** A graph on the GPU: weights, one arena of feature maps, and its dispatches, made once and replayed for each frame. */
export class Network {
  readonly arena: GPUBuffer;
  /** The dispatches of one frame, to be submitted together with what comes before and after. */
  readonly dispatches: readonly Dispatch[];
  readonly storage: MapStorage;
  /** Numbers in the file that the network uses: weights and biases. */
  readonly parameters: number;
  readonly #graph: Graph;
  readonly #arenaPlan: ArenaPlan;
  readonly #buffers: NetworkBuffers;

  /** Throws `model-corrupt` where a weight is missing or has another shape, and `gpu-out-of-memory`. */
  static async create(
    gpu: Gpu,
    described: Graph,
    file: WeightFile,
    storage: MapStorage,
  ): Promise<Network> {
    const graph = reducedGraph(described, gpu.capabilities);
    const arenaPlan = planArena(graph);
    const weights = packAll(gpu, graph, arenaPlan, file, storage);
    const buffers = await gpu.withMemoryCheck(() =>
      createBuffers(gpu, weights, arenaPlan.elements, storage),
    );
    try {
      const prepared = graph.nodes.map((node) =>
        prepare(gpu, node, arenaPlan, storage, weights.ranges, buffers),
      );
      const dispatches = await Promise.all(prepared);
      return new Network(described, arenaPlan, buffers, dispatches, storage);
    } catch (thrown) {
      buffers.dispose();
      throw thrown;
    }
  }

  private constructor(
    graph: Graph,
    arenaPlan: ArenaPlan,
    buffers: NetworkBuffers,
    dispatches: readonly Dispatch[],
    storage: MapStorage,
  ) {
    this.#graph = graph;
    this.#arenaPlan = arenaPlan;
    this.#buffers = buffers;
    this.dispatches = dispatches;
    this.arena = buffers.arena;
    this.storage = storage;
    this.parameters = parametersOf(graph);
  }

  get input(): MapPlace {
    return this.#arenaPlan.place(this.#graph.input);
  }

  has(output: string): boolean {
    return output in this.#graph.outputs;
  }

  output(name: string): MapPlace {
    const map = this.#graph.outputs[name];
    if (!map) throw new Error(`the network has no output '${name}'`);
    return this.#arenaPlan.place(map);
  }

  dispose(): void {
    this.#buffers.dispose();
  }
}

function parametersOf({ nodes }: Graph): number {
  let count = 0;
  for (const node of nodes) {
    const outputs = channelsOf(node.output.parts);
    if (node.op === 'affine') count += outputs * 3;
    if (node.op === 'channel-attention') count += 1;
    if (node.op !== 'convolution') continue;
    if (node.activation === 'prelu') count += outputs;
    count += outputs * (channelsOf(node.input.parts) * node.kernel ** 2 + 1);
  }
  return count;
}

interface Range {
  offset: number;
  size: number;
}

interface NetworkWeights {
  matrices: ArrayBuffer;
  bias: ArrayBuffer;
  /** Where each convolution's weights stand. */
  ranges: ReadonlyMap<Node, { matrices: Range; bias: Range }>;
}

interface NetworkBuffers {
  arena: GPUBuffer;
  weights: GPUBuffer;
  bias: GPUBuffer;
  /** Sizes of layers whose pipelines are shared. */
  params: GPUBuffer[];
  dispose(): void;
}

/** All weights one after another, each at an offset that can be bound. */
function packAll(
  gpu: Gpu,
  graph: Graph,
  arenaPlan: ArenaPlan,
  file: WeightFile,
  storage: MapStorage,
): NetworkWeights {
  /** A convolution's numbers in the order that its kernel reads them. */
  const arranged = (node: ConvolutionNode, numbers: Float32Array) => {
    const use = convolutionUse(node, arenaPlan, storage);
    return convolvesByMatrices(use, gpu.capabilities)
      ? toFragments(numbers, fragmentShape(use))
      : numbers;
  };
  const matrices: (Float32Array | Uint16Array)[] = [];
  const biases: Float32Array[] = [];
  const ranges = new Map<Node, { matrices: Range; bias: Range }>();
  const ends = { matrices: 0, bias: 0 };
  const next = (kind: keyof typeof ends, size: number): Range => {
    const offset = ends[kind];
    ends[kind] = offset + Math.ceil(size / bindingAlignment) * bindingAlignment;
    return { offset, size };
  };
  for (const node of graph.nodes) {
    const packed = packNode(node, file);
    if (!packed) continue;
    const numbers = node.op === 'convolution' ? arranged(node, packed.matrices) : packed.matrices;
    const stored = storage === 'f16' ? Uint16Array.from(numbers, numberToHalf) : numbers;
    ranges.set(node, {
      matrices: next('matrices', stored.byteLength),
      bias: next('bias', packed.bias.byteLength),
    });
    matrices.push(stored);
    biases.push(packed.bias);
  }
  return { matrices: joined(matrices, ends.matrices), bias: joined(biases, ends.bias), ranges };
}

/** What a node reads, or null where it has no weights. */
function packNode(
  node: Node,
  file: WeightFile,
): { matrices: Float32Array; bias: Float32Array } | null {
  if (node.op === 'convolution') return packConvolution(node, file);
  const matrices = new Float32Array(0);
  if (node.op === 'affine') return { matrices, bias: packAffine(node, file) };
  if (node.op !== 'channel-attention') return null;
  const [gamma = 0] = file.values(`${node.name}.gamma`, [1]);
  return { matrices, bias: Float32Array.of(gamma, 0, 0, 0) };
}

function joined(parts: readonly (Float32Array | Uint16Array)[], bytes: number): ArrayBuffer {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), offset);
    offset += Math.ceil(part.byteLength / bindingAlignment) * bindingAlignment;
  }
  return whole.buffer;
}

function createBuffers(
  gpu: Gpu,
  weights: NetworkWeights,
  arenaElements: number,
  storage: MapStorage,
): NetworkBuffers {
  const created: GPUBuffer[] = [];
  const create = (label: string, bytes: number): GPUBuffer => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = gpu.createBuffer(label, bytes, usage);
    created.push(buffer);
    return buffer;
  };
  const params: GPUBuffer[] = [];
  const dispose = (): void => {
    for (const buffer of [...created, ...params]) gpu.destroyBuffer(buffer);
  };
  try {
    const buffers = {
      arena: create('feature maps', arenaElements * (storage === 'f16' ? 8 : 16)),
      weights: create('convolution weights', weights.matrices.byteLength),
      bias: create('convolution biases', weights.bias.byteLength),
      params,
      dispose,
    };
    gpu.write(buffers.weights, 0, new Uint8Array(weights.matrices));
    gpu.write(buffers.bias, 0, new Uint8Array(weights.bias));
    return buffers;
  } catch (thrown) {
    dispose();
    throw thrown;
  }
}

function prepare(
  gpu: Gpu,
  node: Node,
  arenaPlan: ArenaPlan,
  storage: MapStorage,
  ranges: NetworkWeights['ranges'],
  { arena, weights, bias, params }: NetworkBuffers,
): Promise<Dispatch> {
  const input = arenaPlan.place(node.input);
  const output = arenaPlan.place(node.output);
  if (node.op === 'pool') {
    const { kind, window, stride } = node;
    return prepareDispatch(gpu, pool, { storage, kind, window, stride, input, output }, { arena });
  }
  if (node.op === 'resample') {
    return prepareDispatch(
      gpu,
      resample,
      { storage, filter: node.filter, input, output },
      { arena },
    );
  }
  const range = ranges.get(node);
  if (!range) throw new Error(`${node.name} has no weights`);
  const channels = { buffer: bias, ...range.bias };
  if (node.op === 'channel-attention') {
    return prepareDispatch(
      gpu,
      channelAttention,
      { storage, input, output },
      { arena, gamma: channels },
    );
  }
  if (node.op === 'affine') {
    const residual = node.residual ? { residual: arenaPlan.place(node.residual) } : {};
    return prepareDispatch(
      gpu,
      channelAffine,
      { storage, input, output, ...residual },
      { arena, channels },
    );
  }
  const use = convolutionUse(node, arenaPlan, storage);
  const kernel = convolvesByMatrices(use, gpu.capabilities) ? convolutionMatrix : convolution;
  const shared = createSharedParams(gpu, kernel, use);
  if (shared.params) params.push(shared.params);
  return prepareDispatch(gpu, kernel, use, {
    arena,
    weights: { buffer: weights, ...range.matrices },
    bias: channels,
    ...shared,
  });
}

/** The use of a convolution's kernel at the places that its maps have. */
export function convolutionUse(
  { input, output, residual, ...node }: ConvolutionNode,
  arenaPlan: ArenaPlan,
  storage: MapStorage,
): ConvolutionUse {
  const { kernel, stride, dilation, activation, transposed, grows = false } = node;
  return {
    storage,
    input: arenaPlan.place(input),
    output: arenaPlan.place(output),
    kernel,
    stride,
    dilation,
    activation,
    transposed,
    ...(residual ? { residual: arenaPlan.place(residual), grows } : {}),
  };
}
