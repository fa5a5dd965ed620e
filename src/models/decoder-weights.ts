import { VitrailError } from '../errors.ts';
import type { TensorInfo } from '../formats/header.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type QuantFormat, rowLayout } from '../quant/format.ts';
import type {
  DecoderWeightNames,
  LayerWeightNames,
  TransformerConfig,
  WeightSlice,
} from './config.ts';

/** A weight matrix [rows, columns] on the GPU, row-planar. */
export interface GpuMatrix {
  buffer: GPUBuffer;
  format: QuantFormat;
  rows: number;
  columns: number;
}

/** A linear map whose outputs lie side by side: one matrix where all have the same format, else one for each. */
export interface Linear {
  parts: readonly LinearPart[];
  rows: number;
  columns: number;
}

export interface LinearPart {
  matrix: GpuMatrix;
  /** First output of this part in a token's outputs. */
  yOffset: number;
  bias: GPUBuffer | null;
}

export interface LayerWeights {
  attentionNorm: GPUBuffer;
  qkv: Linear;
  qNorm: GPUBuffer | null;
  kNorm: GPUBuffer | null;
  output: Linear;
  postAttentionNorm: GPUBuffer | null;
  feedForwardNorm: GPUBuffer;
  gateUp: Linear;
  down: Linear;
  postFeedForwardNorm: GPUBuffer | null;
}

/** Rows [from, to) of a tensor go to `buffer` from byte `at` on. */
interface Placement {
  buffer: GPUBuffer;
  from: number;
  to: number;
  at: number;
  rowBytes: number;
  /** Added to every value: for norms that are stored as offsets from 1. */
  add?: number;
}

/** Rows of one tensor in the GPU layout, as they come from storage. */
export interface TensorRows {
  tensor: TensorInfo;
  firstRow: number;
  rows: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The decoder's weights: all buffers are made first, then filled row by row as the rows arrive. */
export class DecoderWeights {
  readonly embedding: GpuMatrix;
  readonly finalNorm: GPUBuffer;
  readonly lmHead: GpuMatrix;
  readonly layers: readonly LayerWeights[];
  readonly #gpu: Gpu;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;
  readonly #formatOf: (tensor: TensorInfo) => QuantFormat;
  /** Values of the vectors that set RoPE's frequencies, by name, once they have come. */
  readonly vectors: Map<string, Float32Array> = new Map();
  readonly #vectorNames: ReadonlySet<string>;
  readonly #normWeightOffset: number;
  readonly #placements = new Map<string, Placement[]>();
  readonly #buffers: GPUBuffer[] = [];

  constructor(
    gpu: Gpu,
    config: TransformerConfig,
    names: DecoderWeightNames,
    tensors: ReadonlyMap<string, TensorInfo>,
    formatOf: (tensor: TensorInfo) => QuantFormat,
  ) {
    this.#gpu = gpu;
    this.#tensors = tensors;
    this.#formatOf = formatOf;
    this.#normWeightOffset = config.normWeightOffset;
    const factors = [config.rope.full.factorsTensor, config.rope.sliding.factorsTensor];
    this.#vectorNames = new Set(factors.filter((name) => name !== null));
    try {
      this.embedding = this.#matrix([{ name: names.embedding }]);
      this.finalNorm = this.#vector(names.finalNorm);
      this.lmHead = names.lmHead === null ? this.embedding : this.#matrix([{ name: names.lmHead }]);
      this.layers = names.layers.map((layer) => this.#layer(layer));
    } catch (thrown) {
      this.dispose();
      throw thrown;
    }
    checkColumns(config);
  }

  /** Writes rows to every place that wants them; tensors that the decoder has no use for are passed over. */
  upload({ tensor, firstRow, rows, bytes }: TensorRows): void {
    if (this.#vectorNames.has(tensor.name)) {
      this.vectors.set(tensor.name, floatsOf(bytes, tensor.shape[0] ?? 0));
    }
    for (const placement of this.#placements.get(tensor.name) ?? []) {
      const { buffer, from, to, at, rowBytes, add } = placement;
      const first = Math.max(from, firstRow);
      const last = Math.min(to, firstRow + rows);
      if (first >= last) continue;
      const source = bytes.subarray((first - firstRow) * rowBytes, (last - firstRow) * rowBytes);
      const contents = add ? floatsOf(source, rowBytes / 4).map((value) => value + add) : source;
      this.#gpu.write(buffer, at + (first - from) * rowBytes, contents);
    }
  }

  dispose(): void {
    for (const buffer of this.#buffers.splice(0)) this.#gpu.destroyBuffer(buffer);
  }

  #layer(names: LayerWeightNames): LayerWeights {
    const optional = (name: string | null) => (name === null ? null : this.#vector(name));
    return {
      attentionNorm: this.#vector(names.attentionNorm),
      qkv: this.#linear([names.q, names.k, names.v], [names.qBias, names.kBias, names.vBias]),
      qNorm: optional(names.qNorm),
      kNorm: optional(names.kNorm),
      output: this.#linear([names.output]),
      postAttentionNorm: optional(names.postAttentionNorm),
      feedForwardNorm: this.#vector(names.feedForwardNorm),
      gateUp: this.#linear([names.gate, names.up]),
      down: this.#linear([names.down]),
      postFeedForwardNorm: optional(names.postFeedForwardNorm),
    };
  }

  #linear(slices: readonly WeightSlice[], biases: readonly (string | null)[] = []): Linear {
    const formats = new Set(slices.map(({ name }) => this.#formatOf(this.#tensor(name))));
    const hasBias = biases.some((name) => name !== null);
    const groups = formats.size === 1 ? [slices] : slices.map((slice) => [slice]);
    let rows = 0;
    const parts = groups.map((group): LinearPart => {
      const first = slices.indexOf(group[0] as WeightSlice);
      const matrix = this.#matrix(group);
      const own = biases.slice(first, first + group.length);
      const part = { matrix, yOffset: rows, bias: hasBias ? this.#biasVector(own, group) : null };
      rows += matrix.rows;
      return part;
    });
    return { parts, rows, columns: parts[0]?.matrix.columns ?? 0 };
  }

  /** One matrix of several slices of the same format and width, one below the other. */
  #matrix(slices: readonly WeightSlice[]): GpuMatrix {
    const sources = slices.map(({ name, rows }) => {
      const tensor = this.#tensor(name);
      const [from, to] = rows ?? [0, tensor.shape[0] ?? 0];
      return { tensor, from, to };
    });
    const { tensor } = sources[0] as (typeof sources)[0];
    const columns = tensor.shape[1] ?? 0;
    const format = this.#formatOf(tensor);
    const { rowBytes } = rowLayout(format, columns);
    const rows = sources.reduce((sum, { from, to }) => sum + to - from, 0);
    const buffer = this.#buffer(tensor.name, rows * rowBytes);
    let at = 0;
    for (const source of sources) {
      const { from, to } = source;
      this.#place(source.tensor.name, { buffer, from, to, at, rowBytes });
      at += (to - from) * rowBytes;
    }
    return { buffer, format, rows, columns };
  }

  /** The weight of a norm. */
  #vector(name: string): GPUBuffer {
    const { rowBytes } = rowLayout(this.#formatOf(this.#tensor(name)), this.#length(name));
    const buffer = this.#buffer(name, rowBytes);
    const add = this.#normWeightOffset;
    this.#place(name, { buffer, from: 0, to: 1, at: 0, rowBytes, add });
    return buffer;
  }

  /** The biases of several slices behind each other; those that are missing stay zero. */
  #biasVector(names: readonly (string | null)[], slices: readonly WeightSlice[]): GPUBuffer {
    const lengths = slices.map(({ name, rows }) => {
      const [from, to] = rows ?? [0, this.#tensor(name).shape[0] ?? 0];
      return to - from;
    });
    const total = lengths.reduce((sum, length) => sum + length, 0);
    // Kernels take it as a storage buffer or as a uniform.
    const buffer = this.#buffer('bias', total * 4, GPUBufferUsage.UNIFORM);
    let at = 0;
    names.forEach((name, index) => {
      const length = lengths[index] ?? 0;
      // Only the values are written, not the padding of the row: the next bias begins right behind them.
      if (name !== null) this.#place(name, { buffer, from: 0, to: 1, at, rowBytes: length * 4 });
      at += length * 4;
    });
    return buffer;
  }

  #place(name: string, placement: Placement): void {
    const placements = this.#placements.get(name) ?? [];
    placements.push(placement);
    this.#placements.set(name, placements);
  }

  #buffer(label: string, bytes: number, alsoUsage = 0): GPUBuffer {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | alsoUsage;
    const buffer = this.#gpu.createBuffer(label, bytes, usage);
    this.#buffers.push(buffer);
    return buffer;
  }

  #length(name: string): number {
    return this.#tensor(name).shape[0] ?? 0;
  }

  #tensor(name: string): TensorInfo {
    const tensor = this.#tensors.get(name);
    if (tensor) return tensor;
    throw new VitrailError('model-corrupt', `The file has no tensor '${name}'.`, {
      where: 'decoder/weights',
      fix: 'Download the file again; if that does not help, it was converted wrongly.',
      detail: { tensor: name },
    });
  }
}

function floatsOf(bytes: Uint8Array, count: number): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.slice(0, count * 4).buffer);
}

/** Kernels read rows of attention outputs without padding in between. */
function checkColumns({ numAttentionHeads, headDim }: TransformerConfig): void {
  if ((numAttentionHeads * headDim) % 32 === 0 && headDim % 4 === 0) return;
  throw new VitrailError(
    'model-unsupported',
    `${numAttentionHeads} heads of ${headDim} are not a multiple of 32 components.`,
    {
      where: 'decoder/weights',
      fix: 'Use a model whose head dimension is a multiple of 32.',
      detail: { heads: numAttentionHeads, headDim },
    },
  );
}
