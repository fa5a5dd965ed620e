import type { BasisNames } from '../attention/matryoshka.ts';
import type { LayerBases } from '../attention/staged-cache.ts';
import { VitrailError } from '../errors.ts';
import type { TensorInfo } from '../formats/header.ts';
import { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Gpu } from '../gpu/gpu.ts';
import { basisBytes } from '../kernels/head-widths.ts';
import type { GpuMatrix, Linear, LinearPart } from '../kernels/linear.ts';
import { type QuantFormat, rowLayout } from '../quant/format.ts';
import type {
  DecoderWeightNames,
  LayerWeightNames,
  TransformerConfig,
  WeightSlice,
} from './config.ts';

export interface LayerWeights {
  attentionNorm: GPUBuffer;
  qkv: Linear;
  qNorm: GPUBuffer | null;
  kNorm: GPUBuffer | null;
  output: Linear;
  /** The stacked learned router of Mixture-of-Head attention. */
  router: GpuMatrix | null;
  /** Of MatryoshkaKV. */
  bases: LayerBases | null;
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
  /** Bytes of each row that are left out. */
  skipBytes?: number;
  /** Added to every value: for norms that are stored as offsets from 1. */
  add?: number;
}

/** Rows of a stored matrix, and the elements of its bias that belong to them. */
interface Piece extends Required<WeightSlice> {
  bias: { name: string; from: number } | null;
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
  readonly embedding: Linear;
  readonly finalNorm: GPUBuffer;
  readonly lmHead: Linear;
  readonly layers: readonly LayerWeights[];
  readonly #gpu: Gpu;
  readonly #config: TransformerConfig;
  readonly #maxMatrixBytes: number;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;
  readonly #formatOf: (tensor: TensorInfo) => QuantFormat;
  /** Values of the vectors that set RoPE's frequencies, by name, once they have come. */
  readonly vectors: Map<string, Float32Array> = new Map();
  readonly #vectorNames: ReadonlySet<string>;
  readonly #normWeightOffset: number;
  readonly #placements = new Map<string, Placement[]>();
  readonly #buffers: BufferSet;

  constructor(
    gpu: Gpu,
    config: TransformerConfig,
    names: DecoderWeightNames,
    tensors: ReadonlyMap<string, TensorInfo>,
    formatOf: (tensor: TensorInfo) => QuantFormat,
    /** Larger matrices are cut into runs of rows: what the GPU binds at once, unless a test asks for less. */
    maxMatrixBytes: number = gpu.maxStorageBytes,
  ) {
    this.#gpu = gpu;
    this.#config = config;
    this.#buffers = new BufferSet(gpu);
    this.#maxMatrixBytes = maxMatrixBytes;
    this.#tensors = tensors;
    this.#formatOf = formatOf;
    this.#normWeightOffset = config.normWeightOffset;
    const factors = [config.rope.full.factorsTensor, config.rope.sliding.factorsTensor];
    this.#vectorNames = new Set(factors.filter((name) => name !== null));
    try {
      this.embedding = this.#linear([{ name: names.embedding }]);
      this.finalNorm = this.#vector(names.finalNorm);
      this.lmHead = names.lmHead === null ? this.embedding : this.#linear([{ name: names.lmHead }]);
      const bases = this.#bases(names.layers.flatMap((layer) => layer.bases ?? []));
      this.layers = names.layers.map((layer, i) => this.#layer(layer, bases?.[i] ?? null));
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
      const { buffer, from, to, at, rowBytes, skipBytes = 0, add } = placement;
      const first = Math.max(from, firstRow);
      const last = Math.min(to, firstRow + rows);
      if (first >= last) continue;
      const begin = (first - firstRow) * rowBytes + skipBytes;
      const source = bytes.subarray(begin, begin + (last - first) * rowBytes);
      const contents = add ? floatsOf(source, rowBytes / 4).map((value) => value + add) : source;
      this.#gpu.write(buffer, at + (first - from) * rowBytes, contents);
    }
  }

  dispose(): void {
    this.#buffers.dispose();
  }

  #layer(names: LayerWeightNames, bases: LayerBases | null): LayerWeights {
    const optional = (name: string | null) => (name === null ? null : this.#vector(name));
    return {
      attentionNorm: this.#vector(names.attentionNorm),
      qkv: this.#linear([names.q, names.k, names.v], [names.qBias, names.kBias, names.vBias]),
      qNorm: optional(names.qNorm),
      kNorm: optional(names.kNorm),
      output: this.#linear([names.output]),
      router: names.router && this.#router(names.router),
      bases,
      postAttentionNorm: optional(names.postAttentionNorm),
      feedForwardNorm: this.#vector(names.feedForwardNorm),
      gateUp: this.#linear([names.gate, names.up]),
      down: this.#linear([names.down]),
      postFeedForwardNorm: optional(names.postFeedForwardNorm),
    };
  }

  #router(slices: readonly WeightSlice[]): GpuMatrix {
    return this.#stacked('The parts of a Mixture-of-Head router', slices);
  }

  /** Those of all layers in one buffer; null where there are none. Kernels take the means of a layer's values as a uniform. */
  #bases(layers: readonly BasisNames[]): LayerBases[] | null {
    if (layers.length === 0) return null;
    const { numKeyValueHeads: kvHeads, headDim } = this.#config;
    const bytes = basisBytes({ kvHeads, headDim });
    const all = this.#buffer('bases', layers.length * bytes.layer, GPUBufferUsage.UNIFORM);
    return layers.map(({ keys, mean }, layer): LayerBases => {
      this.#expectFormat(keys, 'f16');
      this.#expectFormat(mean, 'f32');
      const place = (name: string, offset: number, size: number): BufferRange => {
        const [rows, rowBytes] = [this.#rows(name), this.#rowBytes({ name })];
        this.#place(name, { buffer: all, from: 0, to: rows, at: offset, rowBytes });
        return { buffer: all, offset, size };
      };
      const first = layer * bytes.layer;
      return {
        keys: { ...place(keys, first, bytes.keys), size: bytes.keys + bytes.mean },
        mean: place(mean, first + bytes.keys, bytes.mean),
        all,
      };
    });
  }

  /** Matrices that kernels read as one. */
  #stacked(what: string, slices: readonly WeightSlice[]): GpuMatrix {
    const { parts } = this.#linear(slices);
    const [only, second] = parts;
    if (only && !second) return only.matrix;
    throw new VitrailError('model-unsupported', `${what} are stored in different formats.`, {
      where: 'decoder/weights',
      fix: 'Store all of them in the same one.',
      detail: { slices: slices.map(({ name }) => name) },
    });
  }

  #expectFormat(name: string, wanted: string): void {
    const { name: given } = this.#formatOf(this.#tensor(name));
    if (given === wanted) return;
    throw new VitrailError('model-unsupported', `'${name}' is stored as ${given}.`, {
      where: 'decoder/weights',
      fix: `Store it as ${wanted}: train/matryoshka writes such files.`,
      detail: { tensor: name, format: given, wanted },
    });
  }

  #linear(slices: readonly WeightSlice[], biases: readonly (string | null)[] = []): Linear {
    const pieces = slices.map((slice, i): Piece => {
      const bias = biases[i] ?? null;
      const rows = slice.rows ?? [0, this.#rows(slice.name)];
      return { name: slice.name, rows, bias: bias === null ? null : { name: bias, from: 0 } };
    });
    let rows = 0;
    const parts = this.#group(pieces).map((group): LinearPart => {
      const bias = pieces.some((piece) => piece.bias) ? this.#biasVector(group) : null;
      const part = { matrix: this.#matrix(group), yOffset: rows, bias };
      rows += part.matrix.rows;
      return part;
    });
    return { parts, rows, columns: parts[0]?.matrix.columns ?? 0 };
  }

  /** What lies in one buffer each: everything, where the formats are the same and it fits; else every piece, cut where it is too large. */
  #group(pieces: readonly Piece[]): Piece[][] {
    const formats = new Set(pieces.map(({ name }) => this.#formatOf(this.#tensor(name))));
    const bytes = pieces.reduce((sum, piece) => sum + rowsOf(piece) * this.#rowBytes(piece), 0);
    if (formats.size === 1 && bytes <= this.#maxMatrixBytes) return [[...pieces]];
    return pieces.flatMap((piece) => this.#cut(piece).map((part) => [part]));
  }

  /** Runs of rows that fit into a buffer each; products write whole fragments of rows, so all but the last have a multiple of 32. */
  #cut(piece: Piece): Piece[] {
    const most = Math.floor(this.#maxMatrixBytes / this.#rowBytes(piece));
    if (rowsOf(piece) <= most) return [piece];
    const step = Math.max(32, Math.floor(most / 32) * 32);
    const [from, to] = piece.rows;
    return Array.from({ length: Math.ceil((to - from) / step) }, (_, i): Piece => {
      const first = from + i * step;
      const bias = piece.bias && { ...piece.bias, from: piece.bias.from + i * step };
      return { name: piece.name, rows: [first, Math.min(to, first + step)], bias };
    });
  }

  /** One matrix of several pieces of the same format and width, one below the other. */
  #matrix(pieces: readonly Piece[]): GpuMatrix {
    const { name } = pieces[0] as Piece;
    const tensor = this.#tensor(name);
    const rowBytes = this.#rowBytes({ name });
    const rows = pieces.reduce((sum, piece) => sum + rowsOf(piece), 0);
    const buffer = this.#buffer(name, rows * rowBytes);
    let at = 0;
    for (const piece of pieces) {
      const [from, to] = piece.rows;
      this.#place(piece.name, { buffer, from, to, at, rowBytes });
      at += rowsOf(piece) * rowBytes;
    }
    return { buffer, format: this.#formatOf(tensor), rows, columns: tensor.shape.at(-1) ?? 0 };
  }

  #rowBytes({ name }: Pick<WeightSlice, 'name'>): number {
    const tensor = this.#tensor(name);
    return rowLayout(this.#formatOf(tensor), tensor.shape.at(-1) ?? 0).rowBytes;
  }

  /** The weight of a norm. */
  #vector(name: string): GPUBuffer {
    const { rowBytes } = rowLayout(this.#formatOf(this.#tensor(name)), this.#length(name));
    const buffer = this.#buffer(name, rowBytes);
    const add = this.#normWeightOffset;
    this.#place(name, { buffer, from: 0, to: 1, at: 0, rowBytes, add });
    return buffer;
  }

  /** The biases of several pieces behind each other; those that are missing stay zero. */
  #biasVector(pieces: readonly Piece[]): GPUBuffer {
    const total = pieces.reduce((sum, piece) => sum + rowsOf(piece), 0);
    // Kernels take it as a storage buffer or as a uniform.
    const buffer = this.#buffer('bias', total * 4, GPUBufferUsage.UNIFORM);
    let at = 0;
    for (const piece of pieces) {
      const length = rowsOf(piece);
      // Only the values are written, not the padding of the row: the next bias begins right behind them.
      if (piece.bias) {
        const { name, from } = piece.bias;
        this.#place(name, {
          buffer,
          from: 0,
          to: 1,
          at,
          rowBytes: length * 4,
          skipBytes: from * 4,
        });
      }
      at += length * 4;
    }
    return buffer;
  }

  #place(name: string, placement: Placement): void {
    const placements = this.#placements.get(name) ?? [];
    placements.push(placement);
    this.#placements.set(name, placements);
  }

  #buffer(label: string, bytes: number, alsoUsage = 0): GPUBuffer {
    return this.#buffers.create(label, bytes, GPUBufferUsage.STORAGE | alsoUsage);
  }

  /** Rows of a matrix: all its dimensions but the last. */
  #rows(name: string): number {
    return this.#tensor(name)
      .shape.slice(0, -1)
      .reduce((product, size) => product * size, 1);
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

function rowsOf({ rows: [from, to] }: Piece): number {
  return to - from;
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
