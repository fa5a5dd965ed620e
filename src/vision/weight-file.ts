import { VitrailError } from '../errors.ts';
import type { Metadata, TensorInfo } from '../formats/header.ts';
import { parseSafetensorsHeader } from '../formats/safetensors.ts';
import { fileRowBytes } from '../quant/format.ts';
import { quantFormat } from '../quant/registry.ts';

/** Of heights, widths and channels. */
const maxSize = 4096;

/** The weights of a vision model: a whole safetensors file in memory, a few megabytes. */
export class WeightFile {
  readonly metadata: Metadata;
  readonly #bytes: Uint8Array;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;

  /** Throws `model-corrupt` and `model-unsupported`. */
  constructor(bytes: Uint8Array) {
    const header = headerOf(bytes);
    this.metadata = header.metadata;
    this.#tensors = header.tensors;
    this.#bytes = bytes;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor's shape. Throws `model-corrupt` where it is missing. */
  shape(name: string): readonly number[] {
    return this.#tensor(name).shape;
  }

  /** Positive numbers that the metadata gives with commas between them. Throws `model-corrupt` where they are none, or missing without a fallback. */
  numbers(name: string, fallback: readonly number[] = []): readonly number[] {
    const text = this.metadata.get(name);
    const values = text === undefined ? fallback : String(text).split(',').map(Number);
    const usable = values.every(
      (value) => Number.isInteger(value) && value > 0 && value <= maxSize,
    );
    if (usable && values.length > 0) return values;
    throw corruptDetector(`it gives no usable '${name}'`, { name, value: text });
  }

  /** A tensor's values. Throws `model-corrupt` where it is missing or has another shape. */
  values(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.#tensor(name);
    if (tensor.shape.join() !== shape.join()) {
      const reason = `'${name}' is ${tensor.shape.join('×')}, and the network needs ${shape.join('×')}`;
      throw corruptDetector(reason, { tensor: name, shape: tensor.shape, needed: shape });
    }
    const format = quantFormat(tensor.format);
    const elements = shape.reduce((product, size) => product * size, 1);
    const values = new Float64Array(elements);
    const bytes = fileRowBytes(format, elements);
    format.dequantize(this.#bytes.subarray(tensor.offset, tensor.offset + bytes), values);
    if (!values.every(Number.isFinite))
      throw corruptDetector(`'${name}' holds values that are no numbers`, { tensor: name });
    return Float32Array.from(values);
  }

  #tensor(name: string): TensorInfo {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw corruptDetector(`it has no tensor '${name}'`, { tensor: name });
    return tensor;
  }
}

function headerOf(bytes: Uint8Array) {
  const parsed = parseSafetensorsHeader(bytes, bytes.byteLength);
  if ('needBytes' in parsed) throw corruptDetector('it ends inside its header', {});
  return parsed.header;
}

/** What is wrong with a detector's file, after a colon. */
export function corruptDetector(reason: string, detail: Record<string, unknown>): VitrailError {
  return new VitrailError('model-corrupt', `The detector's file cannot be used: ${reason}.`, {
    where: 'vision/weights',
    fix: 'Download the file again, or make it anew with the scripts in train/.',
    detail,
  });
}
