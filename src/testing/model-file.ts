import { chooseMatryoshka } from '../attention/matryoshka.ts';
import { chooseMoh } from '../attention/moh.ts';
import type { TokenSelectConfig } from '../attention/token-select-config.ts';
import { parseGguf } from '../formats/gguf.ts';
import type { Metadata, ModelHeader, TensorInfo } from '../formats/header.ts';
import { parseSafetensorsHeader } from '../formats/safetensors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { isPacked } from '../kernels/kv-format.ts';
import type { ArchitectureOptions } from '../models/config.ts';
import { ReferenceDecoder } from '../models/decoder.ref.ts';
import { Decoder, type DecoderOptions } from '../models/decoder.ts';
import { DecoderWeights } from '../models/decoder-weights.ts';
import { configKey } from '../models/header-reader.ts';
import { architectureOf } from '../models/registry.ts';
import { fileRowBytes } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';
import type { KvCacheFormat, MatryoshkaOption, MohOption } from '../types.ts';
import { packRows } from './weights.ts';

interface ModelFileOptions extends ArchitectureOptions {
  tokenSelect?: TokenSelectConfig | null;
  matryoshka?: MatryoshkaOption;
  moh?: MohOption;
  kvCache?: KvCacheFormat;
}

/** A whole model file in memory: for tests of small models, without storage. */
export class ModelFile {
  readonly header: ModelHeader;
  readonly #bytes: Uint8Array;
  readonly #dequantized = new Map<string, Float64Array>();

  /** A GGUF file, or a safetensors file with the text of its config.json; `overrides` stand in place of keys of the file. */
  constructor(bytes: Uint8Array, configJson?: string, overrides: Metadata = new Map()) {
    const parse = configJson === undefined ? parseGguf : parseSafetensorsHeader;
    const parsed = parse(bytes, bytes.byteLength);
    if ('needBytes' in parsed) throw new Error('the file is not whole');
    const { metadata, tensors } = parsed.header;
    const config = configJson === undefined ? [] : [[configKey, configJson] as const];
    this.header = { metadata: new Map([...metadata, ...config, ...overrides]), tensors };
    this.#bytes = bytes;
  }

  referenceDecoder(options: ModelFileOptions): ReferenceDecoder {
    const { config, names } = this.#describe(options);
    const { kvCache = 'f32' } = options;
    const packed = isPacked(kvCache) ? kvCache : null;
    return new ReferenceDecoder(config, names, (name) => this.#weight(name), packed);
  }

  /** The GPU's decoder with all weights uploaded. Dispose both. */
  async decoder(
    gpu: Gpu,
    options: DecoderOptions & ModelFileOptions & { maxMatrixBytes?: number },
  ): Promise<{ decoder: Decoder; dispose(): void }> {
    const { config, names } = this.#describe(options);
    const formatOf = (tensor: TensorInfo) =>
      quantFormat(tensor.shape.length === 1 ? 'f32' : tensor.format);
    const { tensors } = this.header;
    const { maxMatrixBytes } = options;
    const weights = new DecoderWeights(gpu, config, names, tensors, formatOf, maxMatrixBytes);
    const decoder = await Decoder.create(gpu, config, weights, options);
    for (const tensor of this.header.tensors.values()) {
      const rows = tensor.shape.slice(0, -1).reduce((product, size) => product * size, 1);
      const columns = tensor.shape.at(-1) ?? 0;
      const file = this.#bytes.subarray(tensor.offset, tensor.offset + tensor.bytes);
      const bytes = packRows(formatOf(tensor), file, rows, columns);
      weights.upload({ tensor, firstRow: 0, rows, bytes });
    }
    decoder.writeRopeTables(weights.vectors);
    return {
      decoder,
      dispose: () => {
        decoder.dispose();
        weights.dispose();
      },
    };
  }

  #describe({ contextLength, tokenSelect = null, ...options }: ModelFileOptions) {
    const architecture = architectureOf(this.header);
    const own = architecture.config(this.header, { contextLength });
    const matryoshka = chooseMatryoshka(this.header, own, options.matryoshka);
    const moh = chooseMoh(own.moh, own.numAttentionHeads, options.moh);
    const config = { ...own, tokenSelect, matryoshka, moh };
    return { config, names: architecture.weights(this.header, config) };
  }

  #weight(name: string): Float64Array {
    const known = this.#dequantized.get(name);
    if (known) return known;
    const tensor = this.header.tensors.get(name);
    if (!tensor) throw new Error(`no tensor '${name}'`);
    const format = quantFormat(tensor.format);
    const values = new Float64Array(
      (tensor.bytes / fileRowBytes(format, format.blockElements)) * format.blockElements,
    );
    format.dequantize(this.#bytes.subarray(tensor.offset, tensor.offset + tensor.bytes), values);
    this.#dequantized.set(name, values);
    return values;
  }
}

/** log softmax of one row of logits. */
export function logProbabilities(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i += 1) largest = Math.max(largest, logits[i] ?? 0);
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) sum += Math.exp((logits[i] ?? 0) - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - shift);
}

export function indexOfLargest(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i += 1) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}
